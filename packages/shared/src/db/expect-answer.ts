import { connectionBy, schemaOf } from "./connection.ts"
import { refuseHopelessDatabase, unusable } from "./refusals.ts"
import { whatIsWrongInSession } from "./session-settings.ts"
import { withClient } from "./with-client.ts"

/**
 * Connects to a database once. Throws when it does not answer in time, and a `ConfigError` when it
 * answers that it will not do with this URL, which is the setting `DATABASE_URL`.
 */
export async function expectAnswer(databaseUrl: string, connectTimeoutMs: number): Promise<void> {
  const config = {
    ...connectionBy(databaseUrl),
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: connectTimeoutMs,
  }
  try {
    await withClient(config, async (client) => {
      const wrong = await whatIsWrongInSession(client, schemaOf(databaseUrl))
      if (wrong !== undefined) throw unusable("DATABASE_URL", wrong)
    })
  } catch (error) {
    await refuseHopelessDatabase("DATABASE_URL", databaseUrl, error)
    throw error
  }
}
