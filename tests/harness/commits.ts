import type { Database } from "@gofermart/shared/db/client.ts"
import { Client } from "pg"
import { eventually } from "./eventually.ts"

/**
 * Makes every commit of a server wait when it is done and before it is answered, until it is
 * released: as if the answer were on its way. The server must be the test's own.
 *
 * It waits for a standby that there is not. Nobody else sees what it has written until it has ended
 * its wait; its connection may be terminated meanwhile, and the commit stays.
 */
export async function holdCommits(databaseUrl: string): Promise<{ release(): Promise<void> }> {
  const [control, probe] = await Promise.all([connect(databaseUrl), connect(databaseUrl)])
  const { rows } = await probe.query<{ pid: number }>("SELECT pg_backend_pid() AS pid")
  const set = async (statement: string) => {
    await control.query(statement)
    await control.query("SELECT pg_reload_conf()")
  }
  await set("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
  // The server takes a new setting up in its own time.
  const commit = () => probe.query("SELECT pg_logical_emit_message(true, 'probe', '')")
  let isOver = true
  let held: Promise<unknown> = Promise.resolve()
  await eventually("a commit is held", async () => {
    if (isOver) {
      isOver = false
      held = commit().finally(() => (isOver = true))
    }
    const { rowCount } = await control.query(
      "SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'SyncRep'",
      [rows[0]?.pid],
    )
    return rowCount === 1
  })
  return {
    async release() {
      await set("ALTER SYSTEM RESET synchronous_standby_names")
      await held
      await Promise.all([control.end(), probe.end()])
    },
  }
}

/**
 * Resolves with the server processes whose statement contains `text` and which wait: for a lock of
 * somebody else's, or with their commit under `holdCommits`.
 */
export function untilWaiting(
  client: Database,
  text: string,
  waitsFor: "lock" | "commit",
): Promise<number[]> {
  return eventually(`a statement with ${text} waits for its ${waitsFor}`, async () => {
    const waiting = await client.$queryRaw<{ pid: number; event: string }[]>`
      SELECT pid, CASE WHEN wait_event_type = 'Lock' THEN 'lock' ELSE 'commit' END AS event
        FROM pg_stat_activity
       WHERE datname = current_database() AND position(${text} in query) > 0
         AND pid <> pg_backend_pid() AND state = 'active'
         AND (wait_event_type = 'Lock' OR wait_event = 'SyncRep')`
    const found = waiting.filter(({ event }) => event === waitsFor)
    return found.length > 0 && found.map(({ pid }) => pid)
  })
}

/** Resolves when no statement that contains `text` is under way any more. */
export async function untilGone(client: Database, text: string): Promise<void> {
  await eventually(`no statement with ${text} is under way`, async () => {
    const left = await client.$queryRaw<unknown[]>`
      SELECT FROM pg_stat_activity
       WHERE datname = current_database() AND position(${text} in query) > 0
         AND pid <> pg_backend_pid() AND state = 'active'`
    return left.length === 0
  })
}

/** Opens a transaction of the test's own with one statement in it, on a connection of its own. */
export async function holdTransaction(
  databaseUrl: string,
  statement: string,
  values: unknown[] = [],
): Promise<{ end(how: "COMMIT" | "ROLLBACK"): Promise<void> }> {
  const connection = await connect(databaseUrl)
  await connection.query("BEGIN")
  await connection.query(statement, values)
  return {
    async end(how) {
      await connection.query(how)
      await connection.end()
    },
  }
}

/** Opens a connection of the tests', so named in `pg_stat_activity`. */
async function connect(connectionString: string): Promise<Client> {
  const client = new Client({ connectionString, application_name: "tests" })
  // When a test fails, its server goes away before this.
  client.on("error", () => {})
  await client.connect()
  return client
}
