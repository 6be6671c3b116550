import { setTimeout as sleep } from "node:timers/promises"
import { type ClientBase, escapeIdentifier, type Pool } from "pg"
import { connectionBy } from "../db/connection.ts"
import { classifyError } from "../db/errors.ts"
import { withClient } from "../db/with-client.ts"
import { MIGRATING } from "./schema-engine.ts"

/** Clients that need the same table wait behind a script for as long. */
const LOCK_TIMEOUT_MS = 500
/** In which the clients that have waited get their turn, before the script is tried again. */
const LOCK_RETRY_DELAY_MS = 2_000
/** How often somebody looks at what a script waits for. */
const WATCH_INTERVAL_MS = 250
const SAME_REPORT_INTERVAL_MS = 10_000
const TURN_INTERVAL_MS = 250

/** Told what a migration waits for. */
export type MigrationReport = (message: string, details: object) => void

export interface MigrationRun {
  /** With the table of migrations. */
  schema: string
  report: MigrationReport
  lockWaitMaxMs: number
  /** Ends the statement that is under way. */
  signal: AbortSignal
}

/**
 * Runs the script of a migration on the connection that has the turn, and marks it as finished, all in
 * one transaction. It gives up a lock that it does not get soon, and is tried again: everybody who
 * needs the table would wait behind it. Rejects with the lock's timeout when that has gone on for
 * `lockWaitMaxMs`.
 *
 * One that commits in batches is marked after its last, and repeated where it broke off: what is done by
 * then is not done again.
 *
 * `CREATE INDEX CONCURRENTLY` and its like, alone in a script, are in no transaction. They wait for
 * others' transactions to end, and nobody waits for them. Where one is done that was never marked, it
 * is not run again.
 */
export async function runScript(
  client: ClientBase,
  pool: Pool,
  script: string,
  { schema, report, lockWaitMaxMs, signal }: MigrationRun,
): Promise<void> {
  signal.throwIfAborted()
  const giveUpAt = performance.now() + lockWaitMaxMs
  const isConcurrent = /\bCONCURRENTLY\b/i.test(withoutComments(script))
  // Without what the script before has set.
  await client.query(`RESET ALL; ${MIGRATING}`)
  await client.query(`SET lock_timeout = ${isConcurrent ? 0 : LOCK_TIMEOUT_MS}`)
  const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid")
  const pid = rows[0]?.pid
  const stopWatching = watchLocks(pool, pid, report)
  // One that is only cancelled goes on where that comes before the statement.
  const end = () => void pool.query("SELECT pg_terminate_backend($1)", [pid]).catch(() => {})
  signal.addEventListener("abort", end)
  try {
    if (isConcurrent) return await runConcurrently(client, script)
    // Outside of a transaction, which a statement that follows would begin.
    const whole = COMMIT.test(withoutComments(script))
      ? script
      : `${script}\n;\nUPDATE ${unfinished(schema, "SET finished_at = now()")}`
    while (!(await isDone(client, whole, giveUpAt))) {
      await sleep(LOCK_RETRY_DELAY_MS, undefined, { signal })
    }
  } finally {
    signal.removeEventListener("abort", end)
    stopWatching()
  }
}

async function isDone(client: ClientBase, script: string, giveUpAt: number): Promise<boolean> {
  try {
    await client.query(script)
    return true
  } catch (error) {
    if (classifyError(error) !== "locked" || performance.now() >= giveUpAt) throw error
    return false
  }
}

function withoutComments(script: string): string {
  return script.replaceAll(/--.*$/gm, "")
}

/**
 * One that broke off may have been at its end, which only its mark lacks. Else it has left an index that
 * is kept up and never used, under the name of the new one.
 */
async function runConcurrently(client: ClientBase, script: string): Promise<void> {
  const [, verb, name] = INDEX_CONCURRENTLY.exec(withoutComments(script)) ?? []
  if (verb !== undefined) {
    const { rows } = await client.query<{ isValid: boolean }>(
      `SELECT indisvalid AS "isValid" FROM pg_index WHERE indexrelid = to_regclass($1)`,
      [name],
    )
    const isCreated = /CREATE/i.test(verb)
    if (isCreated ? rows[0]?.isValid === true : rows.length === 0) return
    if (isCreated && rows[0]?.isValid === false)
      await client.query(`DROP INDEX CONCURRENTLY ${name}`)
  }
  await client.query(script)
}

/** Not that of a table that is dropped `ON COMMIT`. */
const COMMIT = /\bCOMMIT\s*;/i
const INDEX_CONCURRENTLY =
  /\b(CREATE|DROP) (?:UNIQUE )?INDEX CONCURRENTLY (?:IF (?:NOT )?EXISTS )?("[^"]+"|\w+)/i

/**
 * Has the engine forget the migrations that were begun and not finished, and which it would have
 * somebody look at. Only for who has the turn: nobody is at them then. A script is one transaction
 * with its own mark, so one without has changed nothing; of one `CONCURRENTLY` it is looked at what
 * there is; and one that commits batches does what is left.
 */
export async function forgetUnfinished(client: ClientBase, schema: string): Promise<void> {
  const { rowCount: tables } = await client.query("SELECT WHERE to_regclass($1) IS NOT NULL", [
    migrationsIn(schema),
  ])
  if (tables === 0) return
  // Where everything is up to date, the right to read is enough.
  const { rowCount } = await client.query(`SELECT FROM ${unfinished(schema)}`)
  if (rowCount !== 0) await client.query(`DELETE FROM ${unfinished(schema)}`)
}

function migrationsIn(schema: string): string {
  return `${escapeIdentifier(schema)}._prisma_migrations`
}

function unfinished(schema: string, change = ""): string {
  return `${migrationsIn(schema)} ${change} WHERE finished_at IS NULL AND rolled_back_at IS NULL`
}

interface Blocker {
  pid: number
  user: string | null
  application: string | null
  state: string | null
  transactionSeconds: number | null
  waitsFor: string
}

/** Reports who holds what this server process waits for, until what it returns is called. */
function watchLocks(pool: Pool, pid: number | undefined, report: MigrationReport): () => void {
  let reportedAt = -Infinity
  const look = async () => {
    const { rows: heldBy } = await pool.query<Blocker>(BLOCKERS, [pid])
    const [first] = heldBy
    if (first === undefined || performance.now() - reportedAt < SAME_REPORT_INTERVAL_MS) return
    reportedAt = performance.now()
    report("the migration waits for others", { heldBy })
  }
  // It tells what happens; when it cannot, the script itself will fail or not.
  const watch = setInterval(() => void look().catch(() => {}), WATCH_INTERVAL_MS)
  return () => clearInterval(watch)
}

const BLOCKERS = `
  SELECT a.pid, a.usename AS "user", a.application_name AS application, a.state,
         floor(extract(epoch FROM clock_timestamp() - a.xact_start))::int AS "transactionSeconds",
         (SELECT coalesce('a lock on ' || min(l.relation::regclass::text),
                          'the end of its transaction')
            FROM pg_locks l WHERE l.pid = $1 AND NOT l.granted) AS "waitsFor"
    FROM unnest(pg_blocking_pids($1)) AS blocker (pid)
    JOIN pg_stat_activity a USING (pid)`

/**
 * Runs `migrateAll` while no other process migrates this database, on a connection on which it runs its
 * scripts. When a process is killed, its statement goes on at the server, and has the turn until it
 * ends. Who waits for its turn asks again and again: a statement that waited in the database would be
 * one that an index's `CREATE … CONCURRENTLY` waits for, which the other process may be at.
 */
export async function takingTurns<Result>(
  databaseUrl: string,
  { report, signal }: Pick<MigrationRun, "report" | "signal">,
  migrateAll: (client: ClientBase) => Promise<Result>,
): Promise<Result> {
  // The lock ends with its connection.
  return withClient(connectionBy(databaseUrl), async (client) => {
    await client.query(MIGRATING)
    for (let tries = 0; !(await tryLock(client)); tries++) {
      if (tries === 0) {
        const { rows: heldBy } = await client.query(TURN_HOLDERS)
        report("another process, or the statement of one that was killed, migrates this database", {
          heldBy,
        })
      }
      await sleep(TURN_INTERVAL_MS, undefined, { signal })
    }
    return migrateAll(client)
  })
}

async function tryLock(client: ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ isMine: boolean }>(
    `SELECT pg_try_advisory_lock(${TURN}) AS "isMine"`,
  )
  return rows[0]?.isMine === true
}

const TURN = "hashtext('gofermart: migrations')"
/** The low half of the lock's number is its `objid`. */
const TURN_HOLDERS = `
  SELECT a.pid, a.usename AS "user", a.application_name AS application, a.state,
         floor(extract(epoch FROM clock_timestamp() - a.state_change))::int AS "stateSeconds"
    FROM pg_locks l
    JOIN pg_stat_activity a USING (pid)
   WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database()
     AND l.objid::bigint = ${TURN}::bigint & 4294967295`
