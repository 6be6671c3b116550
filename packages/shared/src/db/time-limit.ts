import { AsyncLocalStorage } from "node:async_hooks"
import pLimit from "p-limit"
import type { Pool, PoolClient, QueryArrayConfig, QueryArrayResult } from "pg"

/** What one call may take of the database. */
export interface CallLimit {
  /** The server cancels a statement after this time; undefined for the pool's own limit. */
  statementMs: number | undefined
  /** Whether it is known to run long: such calls share a part of the pool's connections. */
  isLong: boolean
}

/** The part of a pool's connections that calls which run long may use, and at least one. */
const LONG_CALLS_PART = 1 / 2

const callLimit = new AsyncLocalStorage<CallLimit>()

/** Runs a call whose raw statements, outside of transactions, keep to the limit. */
export function withLimit<Result>(limit: CallLimit, call: () => Promise<Result>): Promise<Result> {
  return callLimit.run(limit, call)
}

/**
 * Makes the statements of a pool keep to the limit of the call they belong to.
 *
 * The server has to end a statement: cancelled from outside it might just be committing, and be
 * reported as committed before a synchronous standby has it. `SET LOCAL` needs a transaction, which
 * costs more round trips a statement. So a connection keeps the limit it was last given, and is told
 * another one only when that changes, which is seldom while there is much to do. Where sessions are
 * shared with others, who would get that limit, it takes the transaction.
 *
 * `reset`: gives a connection the pool's own limit back.
 */
export function limitStatements(
  pool: Pool,
  { reset, isShared }: { reset: string; isShared: boolean },
): void {
  const limitOf = new WeakMap<PoolClient, number>()
  const long = pLimit(Math.max(1, Math.floor(pool.options.max * LONG_CALLS_PART)))
  const checkOut = pool.connect.bind(pool)

  const connect = async (statementMs?: number): Promise<PoolClient> => {
    const client = await checkOut()
    if (isShared || limitOf.get(client) === statementMs) return client
    try {
      if (statementMs === undefined) {
        await client.query(reset)
        limitOf.delete(client)
      } else {
        await client.query(`SET statement_timeout = ${statementMs}`)
        limitOf.set(client, statementMs)
      }
    } catch (error) {
      client.release(error as Error)
      throw error
    }
    return client
  }

  const query = async (
    config: QueryArrayConfig,
    statementMs?: number,
  ): Promise<QueryArrayResult> => {
    const client = await connect(statementMs)
    let failure: Error | undefined
    try {
      // The client waits as long as for any statement: the server's limit does not cover a commit, which may
      // wait for a standby, and one that is given up and repeated would find its own rows there.
      if (!isShared || statementMs === undefined) return await client.query(config)
      await client.query(`BEGIN; SET LOCAL statement_timeout = ${statementMs}`)
      const result = await client.query(config)
      await client.query("COMMIT")
      return result
    } catch (error) {
      if (isShared || !leavesConnectionUsable(error)) failure = error as Error
      throw error
    } finally {
      client.release(failure)
    }
  }

  Object.assign(pool, {
    connect: () => connect(),
    query: (config: QueryArrayConfig) => {
      const limit = callLimit.getStore()
      if (limit?.isLong) return long(() => query(config, limit.statementMs))
      return query(config, limit?.statementMs)
    },
  })
}

/** Other errors take their connection with them, as they may be its own, or its statements'. */
function leavesConnectionUsable(error: unknown): boolean {
  const { code } = error as { code?: string }
  return code === "57014" || code === "55P03"
}
