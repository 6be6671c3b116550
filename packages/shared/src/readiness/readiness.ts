import type { Pool } from "pg"
import { Type, type Static } from "typebox"
import { connectionBy } from "../db/connection.ts"
import { openPool } from "../db/pool.ts"
import type { TableRight } from "../db/needed-rights.ts"
import type { AccrualQueue } from "../queue/poll-job.ts"
import { withTimeout } from "../runtime/with-timeout.ts"
import type { Logger } from "../runtime/logger.ts"
import { askPostgres } from "./ask-postgres.ts"
import { queueWrite } from "./ask-queue.ts"
import { NotWritableError, REASONS } from "./reasons.ts"
import { type Finding, WriteProbe } from "./write-probe.ts"

const CONNECT_TIMEOUT_MS = 2_000
/** For a queue whose first connection is waited for. */
const OPENING_TIMEOUT_MS = 500

const ReasonSchema = Type.Optional(
  Type.String({ description: "Why it cannot be written.", examples: [REASONS.read_only] }),
)

/** What a service answers about the two servers it writes to. */
export const ReadinessSchema = Type.Object({
  database: Type.Enum(["ok", "unavailable"], { type: "string" }),
  database_reason: ReasonSchema,
  queue: Type.Enum(["ok", "degraded"], { type: "string" }),
  queue_reason: ReasonSchema,
  stopping: Type.Optional(
    Type.Boolean({ description: "true: The process is about to end; send no more requests." }),
  ),
})

/** Knows whether this process can write to the database and to the queue, and why not. */
export class Readiness {
  readonly #pool: Pool
  readonly #database: WriteProbe
  readonly #queue: WriteProbe
  readonly #closing = new AbortController()
  #watching: Promise<unknown> = Promise.resolve()
  #isStopping = false

  /**
   * Nothing is asked before `watch`.
   *
   * `rights`: what the service writes in the database. `queue`: pending while its first connection is
   * waited for.
   */
  constructor(
    databaseUrl: string,
    rights: readonly TableRight[],
    queue: Promise<AccrualQueue>,
    logger: Logger,
  ) {
    // One of its own, so that a service that is merely busy does not count as one that cannot write.
    this.#pool = openPool({
      ...connectionBy(databaseUrl),
      application_name: "gofermart-readiness",
      max: 1,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
    })
    this.#database = new WriteProbe("database", () => askPostgres(this.#pool, rights), logger)
    const write = queue.then(queueWrite)
    const askQueue = async () => {
      const ask = await withTimeout(write, OPENING_TIMEOUT_MS, "").catch(() => {
        throw new NotWritableError("connection_pending")
      })
      await ask()
    }
    this.#queue = new WriteProbe("queue", askQueue, logger)
  }

  /** Begins to ask, once a second. */
  watch(): void {
    const { signal } = this.#closing
    this.#watching = Promise.all([this.#database.watch(signal), this.#queue.watch(signal)])
  }

  /** From now on the answer says that the process is about to end. */
  announceStop(): void {
    this.#isStopping = true
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#watching
    await this.#pool.end()
  }

  /** What is known of the queue. */
  queue(): Promise<Finding> {
    return this.#queue.finding()
  }

  /** What the latest answers say; those to the first questions are waited for. */
  async describe(): Promise<Static<typeof ReadinessSchema>> {
    const [{ reason: database }, { reason: queue }] = await Promise.all([
      this.#database.finding(),
      this.#queue.finding(),
    ])
    return {
      database: database === undefined ? "ok" : "unavailable",
      ...(database === undefined ? {} : { database_reason: REASONS[database] }),
      queue: queue === undefined ? "ok" : "degraded",
      ...(queue === undefined ? {} : { queue_reason: REASONS[queue] }),
      ...(this.#isStopping ? { stopping: true } : {}),
    }
  }
}
