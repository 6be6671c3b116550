import { describeOrder } from "@gofermart/operator/describe-order.ts"
import type { Database } from "@gofermart/shared/db/client.ts"
import { parseOrderNumber } from "@gofermart/shared/domain/order-number.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import type { FastifyInstance } from "fastify"

/** `/orders/NUMBER` on the operators' server: what `gofermart order NUMBER` tells. */
export function orderPage(
  app: FastifyInstance,
  { queue, database }: { queue: AccrualQueue; database: Database },
): void {
  app.get<{ Params: { number: string } }>("/orders/:number", async (request, reply) => {
    const number = parseOrderNumber(request.params.number)
    const lines = number && (await describeOrder(database, async () => queue, number))
    reply.type("text/plain; charset=utf-8")
    if (lines === undefined) return reply.code(404).send("There is no such order.\n")
    return `${lines.join("\n")}\n`
  })
}
