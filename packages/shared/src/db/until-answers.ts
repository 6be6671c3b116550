import { setTimeout as sleep } from "node:timers/promises"
import type { Logger } from "../runtime/logger.ts"
import type { Database } from "./client.ts"

const RETRY_DELAY_MS = 1_000

/** Resolves when the database answers, and says until then that it is waited for. */
export async function untilAnswers(database: Database, logger: Logger): Promise<void> {
  for (;;) {
    try {
      await database.$queryRaw`SELECT`
      return
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      logger.warn({ reason }, "waiting for the database")
      await sleep(RETRY_DELAY_MS)
    }
  }
}
