import type { Pool } from "pg"
import type { TableRight } from "../db/needed-rights.ts"
import { NotWritableError } from "./reasons.ts"

/** On a connection that is open and silent. */
const ANSWER_TIMEOUT_MS = 2_000

/** For which a commit may wait for a standby: one that is only slow has confirmed it by then. */
const COMMIT_WAIT_MAX_S = 5

interface Answer {
  isReplica: boolean
  isReadOnly: boolean
  mayWrite: boolean
  isCommitWaiting: boolean
}

/**
 * Asks PostgreSQL, on a connection of the pool, whether a transaction may write to the tables.
 * Rejects with a `NotWritableError` when it answers that it may not, or with the driver's error. The
 * connection is closed then: the next one may lead to another server, or be let in again.
 */
export async function askPostgres(pool: Pool, rights: readonly TableRight[]): Promise<void> {
  const question = {
    text: `SELECT pg_is_in_recovery() AS "isReplica",
                  current_setting('transaction_read_only') = 'on' AS "isReadOnly",
                  (SELECT bool_and(has_table_privilege(name, privilege))
                     FROM unnest($1::text[], $2::text[]) AS needed (name, privilege)) AS "mayWrite",
                  EXISTS (SELECT FROM pg_stat_activity
                           WHERE datname = current_database() AND usename = current_user
                             AND state = 'active' AND wait_event = 'SyncRep'
                             AND query_start < clock_timestamp() - make_interval(secs => ${COMMIT_WAIT_MAX_S})
                         ) AS "isCommitWaiting"`,
    values: [rights.map(([table]) => table), rights.map(([, right]) => right)],
    query_timeout: ANSWER_TIMEOUT_MS,
  }
  const connection = await pool.connect()
  let isGood = false
  try {
    const {
      rows: [row],
    } = await connection.query<Answer>(question)
    if (row?.isReplica !== false) throw new NotWritableError("replica")
    if (row.isReadOnly) throw new NotWritableError("read_only")
    if (!row.mayWrite) throw new NotWritableError("rights_missing")
    if (row.isCommitWaiting) throw new NotWritableError("standby_missing")
    isGood = true
  } finally {
    connection.release(!isGood)
  }
}
