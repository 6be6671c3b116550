import { openDatabase } from "@gofermart/shared/db/client.ts"
import { SERVICE_TIMEOUTS } from "@gofermart/shared/db/service-timeouts.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import { Readiness } from "@gofermart/shared/readiness/readiness.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { buildApp } from "./app.ts"
import { readConfig } from "./config.ts"

const DATABASE_URL = "postgresql://nobody@127.0.0.1:1/nothing"
const AUTH_KEYS = `none:${"A".repeat(43)}`

/** The API's description as JSON text. Nothing is listened on and nothing is connected to. */
export async function openapiText(): Promise<string> {
  const queue = new Promise<AccrualQueue>(() => {})
  const logger = createLogger("description", "silent")
  const app = await buildApp({
    config: readConfig({ DATABASE_URL, AUTH_KEYS }),
    database: openDatabase(DATABASE_URL, "description", { connectionsMax: 1, ...SERVICE_TIMEOUTS }),
    queue,
    readiness: new Readiness(DATABASE_URL, [], queue, logger),
    logger,
  })
  await app.ready()
  return `${JSON.stringify(app.swagger(), undefined, 2)}\n`
}
