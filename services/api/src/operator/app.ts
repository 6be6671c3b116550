import type { Database } from "@gofermart/shared/db/client.ts"
import { buildOperatorApp } from "@gofermart/shared/operator/listener.ts"
import type { Operators } from "@gofermart/shared/operator/settings.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import type { FastifyInstance } from "fastify"
import { showBoard } from "./board.ts"
import { orderPage } from "./order-page.ts"

/** Builds the server of the API's operators: metrics, the board, and a page for each order. */
export async function buildApiOperatorApp(
  operators: Operators,
  shown: { queue: AccrualQueue; database: Database; isReadOnly: boolean; logger: Logger },
): Promise<FastifyInstance> {
  const app = await buildOperatorApp(operators, shown.logger)
  await showBoard(app, shown)
  orderPage(app, shown)
  return app
}
