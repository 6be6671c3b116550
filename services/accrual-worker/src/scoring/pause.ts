import { setTimeout as sleep } from "node:timers/promises"
import type { Database } from "@gofermart/shared/db/client.ts"
import { endQueuePause, pauseQueue, queuePauseMs } from "@gofermart/shared/queue/backend.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import { Counter } from "prom-client"

const pauses = new Counter({
  name: "gofermart_scoring_pauses_total",
  help: "Pauses of the fleet that this worker has begun or made longer, after a 429.",
})

/** How often the fleet's pause is looked up in the database. */
const LOOK_UP_INTERVAL_MS = 1_000
/** How often, during a pause, the queue is checked to hold it. */
const GUARD_INTERVAL_MS = 100
const TOLERANCE_MS = 50

/**
 * The fleet's pause after the scoring system answered 429.
 *
 * Three places hold it. This worker's own deadline is the quickest: it closes at once. The queue's
 * rate limit keeps all workers from starting jobs. The row in PostgreSQL is the truth: it is only
 * ever *extended*, so a short pause never ends a long one, and it survives the loss of the queue.
 * A queue's rate limit can be overwritten by a later, shorter one, or be flushed away; so while a
 * pause is on, each worker puts back what is missing.
 */
export class ScoringPause {
  readonly #database: Database
  readonly #queue: AccrualQueue
  readonly #logger: Logger
  readonly #stopping = new AbortController()
  /** On this process's monotonic clock; the machine's may be wrong. */
  #endsAt = 0
  #spread: Promise<void> = Promise.resolve()
  #watching: Promise<void> | undefined
  /** At the start, because a fleet that was killed during a pause has left it there. */
  #queueMayBePaused = true

  constructor(database: Database, queue: AccrualQueue, logger: Logger) {
    this.#database = database
    this.#queue = queue
    this.#logger = logger
  }

  /** For how many more milliseconds nobody may ask; 0 when there is no pause. */
  remainingMs(): number {
    return Math.max(0, this.#endsAt - performance.now())
  }

  /** Pauses this worker now and the fleet as soon as it is told; resolves when it is. */
  async extend(ms: number): Promise<void> {
    if (ms <= this.remainingMs() + TOLERANCE_MS) return this.#spread
    this.#endsAt = performance.now() + ms
    pauses.inc()
    this.#logger.warn({ pauseMs: ms }, "too many requests: polling is paused")
    this.#spread = this.#tellFleet(ms)
    await this.#spread
  }

  /** Resolves when the fleet has been told of the latest pause. */
  told(): Promise<void> {
    return this.#spread
  }

  /** Keeps up with the fleet's pause; resolves when it has been looked up for the first time. */
  async watch(): Promise<void> {
    await this.#lookUp()
    this.#watching = this.#watch()
  }

  async close(): Promise<void> {
    this.#stopping.abort()
    await this.#watching
  }

  async #tellFleet(ms: number): Promise<void> {
    // At once, because it holds all workers; and again when the row is written, because a worker
    // that had not seen the row may have taken the queue's pause away.
    const quick = this.#guardQueue()
    try {
      const [row] = await this.#database.$queryRaw<{ ms: number }[]>`
        INSERT INTO scoring_pause AS p (paused_until)
        VALUES (clock_timestamp() + ${ms}::float8 * interval '1 millisecond')
            ON CONFLICT (id) DO UPDATE
           SET paused_until = greatest(p.paused_until, excluded.paused_until)
        RETURNING (extract(epoch FROM paused_until - clock_timestamp()) * 1000)::float8 AS ms`
      this.#adopt(row?.ms ?? 0)
    } catch (error) {
      this.#logger.error({ err: error }, "the pause could not be written; the queue still gets it")
    }
    await quick
    await this.#guardQueue()
  }

  async #watch(): Promise<void> {
    let nextLookUp = 0
    while (!this.#stopping.signal.aborted) {
      let knowsFleet = false
      if (performance.now() >= nextLookUp) {
        knowsFleet = await this.#lookUp()
        nextLookUp = performance.now() + LOOK_UP_INTERVAL_MS
      }
      const isOn = this.remainingMs() > 0
      if (isOn) await this.#guardQueue()
      else if (knowsFleet && this.#queueMayBePaused) await this.#endQueuePause()
      const intervalMs = isOn ? GUARD_INTERVAL_MS : LOOK_UP_INTERVAL_MS
      await sleep(intervalMs, undefined, { signal: this.#stopping.signal }).catch(() => {})
    }
  }

  /** Whether the database told what the fleet's pause is. */
  async #lookUp(): Promise<boolean> {
    try {
      const [row] = await this.#database.$queryRaw<{ ms: number }[]>`
        SELECT (extract(epoch FROM paused_until - clock_timestamp()) * 1000)::float8 AS ms
          FROM scoring_pause WHERE paused_until > clock_timestamp()`
      this.#adopt(row?.ms ?? 0)
      return true
    } catch (error) {
      this.#logger.debug({ err: error }, "the pause could not be looked up")
      return false
    }
  }

  #adopt(ms: number): void {
    this.#endsAt = Math.max(this.#endsAt, performance.now() + ms)
  }

  async #guardQueue(): Promise<void> {
    this.#queueMayBePaused = true
    try {
      const missingMs = this.remainingMs() - (await queuePauseMs(this.#queue))
      if (missingMs > TOLERANCE_MS) await pauseQueue(this.#queue, this.remainingMs())
    } catch (error) {
      this.#logger.warn({ err: error }, "the queue could not be paused")
    }
  }

  async #endQueuePause(): Promise<void> {
    try {
      await endQueuePause(this.#queue)
      this.#queueMayBePaused = false
      // A pause that began meanwhile may have been taken away with the old one: its row is seen
      // here, or its worker guards the queue once it is written.
      await this.#lookUp()
      if (this.remainingMs() > 0) await this.#guardQueue()
    } catch (error) {
      this.#logger.warn({ err: error }, "the queue's pause could not be taken away")
    }
  }
}
