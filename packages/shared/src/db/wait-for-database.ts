import { setTimeout as sleep } from "node:timers/promises"
import type { Logger } from "../runtime/logger.ts"
import { reasonOf } from "../runtime/reason-of.ts"
import { connectionOptions } from "./client.ts"
import { SERVICE_TIMEOUTS } from "./service-timeouts.ts"
import { isShared, schemaOf } from "./connection.ts"
import { refuseHopelessDatabase, unusable } from "./refusals.ts"
import { whatLacksInSchema } from "./rights.ts"
import { whatIsWrongInRole } from "./role-settings.ts"
import { whatIsWrongInSession } from "./session-settings.ts"
import type { NeededRights } from "./needed-rights.ts"
import { withClient } from "./with-client.ts"

const RETRY_DELAY_MS = 1_000

/**
 * Resolves when the database answers and lets this process work, and says until then that it is
 * waited for. Throws a `ConfigError` when no wait can mend what is in the way.
 *
 * `rights`: what the service does there.
 */
export async function waitForDatabase(
  databaseUrl: string,
  rights: NeededRights,
  logger: Logger,
): Promise<void> {
  for (;;) {
    try {
      await expectRights(databaseUrl, rights)
      return
    } catch (error) {
      await refuseHopelessDatabase("DATABASE_URL", databaseUrl, error)
      logger.warn({ reason: reasonOf(error) }, "waiting for the database")
      await sleep(RETRY_DELAY_MS)
    }
  }
}

/** Connects once as a service does. Throws when that fails, or when the user may not do its work. */
async function expectRights(databaseUrl: string, rights: NeededRights): Promise<void> {
  const config = connectionOptions(databaseUrl, "gofermart-start", SERVICE_TIMEOUTS)
  await withClient(config, async (client) => {
    const schema = schemaOf(databaseUrl)
    const wrong =
      (await whatLacksInSchema(client, schema, rights)) ??
      (await whatIsWrongInSession(client, schema)) ??
      (isShared(databaseUrl) ? await whatIsWrongInRole(client) : undefined)
    if (wrong !== undefined) throw unusable("DATABASE_URL", wrong)
  })
}
