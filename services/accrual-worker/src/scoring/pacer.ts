import { setTimeout as sleep } from "node:timers/promises"
import type { Database } from "@gofermart/shared/db/client.ts"
import { holdQueue } from "@gofermart/shared/queue/backend.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import type { Answer } from "@gofermart/scoring-client/answer.ts"
import { Counter } from "prom-client"
import { allowanceOf, isRamping, type SharedPace } from "./allowance.ts"
import { FleetPace, type PaceChange } from "./fleet-pace.ts"
import {
  afterCalls,
  afterOutage,
  afterRefusal,
  pacePerMinute,
  type Refusal,
} from "./learned-limit.ts"
import { outageDelayMs, pacedDelayMs } from "../settlement/delays.ts"
import { OutageDetector } from "./outage.ts"
import { extendPause } from "./shared-pace.ts"

const pauses = new Counter({
  name: "gofermart_scoring_pauses_total",
  help: "Pauses of the fleet that this worker has begun or made longer, after a 429.",
})
const outages = new Counter({
  name: "gofermart_scoring_outages_total",
  help: "Outages of the scoring system that this worker has found.",
})

/** How often the fleet's pace is looked up in the database, and this worker's calls are told. */
const LOOK_UP_INTERVAL_MS = 1_000
/** How often, while the allowance changes by the moment, the queue is checked to hold it. */
const GUARD_INTERVAL_MS = 100
/** How often, under a limit, the jobs that wait are counted. */
const COUNT_INTERVAL_MS = 5_000
/** With so many polls by the whole fleet no worker of it goes without one. */
const FLEET_SHARE_MIN = 1_000
/** Of difference between two pauses that does not count. */
const TOLERANCE_MS = 50
/** How much one second's answers count for how long an answer usually takes. */
const ANSWER_TIME_WEIGHT = 0.2

/**
 * Lets the fleet ask as much as the scoring system allows, and no more.
 *
 * Two rows in PostgreSQL are the truth: until when nobody may ask (`scoring_pause`, only ever
 * extended), and what was learned of the limit and of outages (`scoring_pace`). The queue's rate
 * limit is what holds all workers; each puts back what is missing of it. For a pause there is also
 * this worker's own deadline, which is the quickest: it closes at once.
 */
export class ScoringPacer {
  readonly #database: Database
  readonly #queue: AccrualQueue
  readonly #logger: Logger
  readonly #stopping = new AbortController()
  readonly #outage: OutageDetector
  readonly #fleet: FleetPace
  /** Since the last look: answers that count, and how long they took together. */
  #calls = 0
  #answerMs = 0
  /** Jobs in the queue that are not being worked on; looked up under a limit only. */
  #waiting = 0
  #spread: Promise<void> = Promise.resolve()
  #watching: Promise<void> | undefined

  /** `timeoutMs`: after which a call is given up. */
  constructor(database: Database, queue: AccrualQueue, logger: Logger, timeoutMs: number) {
    this.#database = database
    this.#queue = queue
    this.#logger = logger
    this.#outage = new OutageDetector(timeoutMs)
    this.#fleet = new FleetPace(database)
  }

  /** For how many more milliseconds nobody may ask; 0 when there is no pause. */
  remainingMs(): number {
    return this.#fleet.pauseMs()
  }

  /** Whether a worker may have nothing to begin for so long although orders are due. */
  isHoldingBack(forMs: number): boolean {
    const { pace } = this.#fleet
    if (pace === undefined || pace.downSince !== null) return true
    const perMinute = pacePerMinute(pace.limit, this.#fleet.now())
    return perMinute !== null && (perMinute * forMs) / 60_000 < FLEET_SHARE_MIN
  }

  /** How long an order is to wait that would wait for `delayMs`, so that each gets its turn. */
  postponedMs(delayMs: number): number {
    const { pace } = this.#fleet
    if (pace === undefined) return delayMs
    const now = this.#fleet.now()
    if (pace.downSince !== null) return outageDelayMs(delayMs, now - pace.downSince, Math.random)
    const perMinute = pacePerMinute(pace.limit, now)
    return pacedDelayMs(delayMs, { waiting: this.#waiting, perMinute }, Math.random)
  }

  /** Asks, and learns from the answer whether the scoring system is down. */
  async asking(ask: () => Promise<Answer>): Promise<Answer> {
    const begun = performance.now()
    const end = this.#outage.begin(begun)
    const answer = await ask()
    const endedAt = performance.now()
    const isAnswered = answer.kind !== "unavailable"
    end(isAnswered, endedAt)
    if (isAnswered && answer.kind !== "too_many_requests") {
      this.#calls += 1
      this.#answerMs += endedAt - begun
    }
    if (isAnswered && this.#isDown()) await this.#recover()
    else this.#checkOutage()
    return answer
  }

  /** Pauses this worker now and the fleet as soon as it is told; resolves when it is. */
  async refuse(refusal: Refusal): Promise<void> {
    if (refusal.pauseMs <= this.remainingMs() + TOLERANCE_MS) return this.#spread
    this.#fleet.pauseFor(refusal.pauseMs)
    pauses.inc()
    this.#logger.warn(refusal, "too many requests: polling is paused")
    this.#spread = this.#tellOfRefusal(refusal)
    await this.#spread
  }

  /** Resolves when the fleet has been told of the latest pause. */
  told(): Promise<void> {
    return this.#spread
  }

  /** Keeps up with the fleet's pace; resolves when it has been looked up for the first time. */
  async watch(): Promise<void> {
    await this.#lookUp()
    this.#watching = this.#watch()
  }

  async close(): Promise<void> {
    this.#stopping.abort()
    await this.#watching
  }

  async #watch(): Promise<void> {
    let nextLookUp = 0
    let nextCount = 0
    while (!this.#stopping.signal.aborted) {
      if (performance.now() >= nextLookUp) {
        await this.#lookUp()
        nextLookUp = performance.now() + LOOK_UP_INTERVAL_MS
      }
      if (performance.now() >= nextCount) {
        await this.#countWaiting()
        nextCount = performance.now() + COUNT_INTERVAL_MS
      }
      this.#checkOutage()
      await this.#guardQueue()
      const { pace } = this.#fleet
      const isChanging =
        this.remainingMs() > 0 || (pace !== undefined && isRamping(pace, this.#fleet.now()))
      const intervalMs = isChanging ? GUARD_INTERVAL_MS : LOOK_UP_INTERVAL_MS
      await sleep(intervalMs, undefined, { signal: this.#stopping.signal }).catch(() => {})
    }
  }

  /** Tells the row of the calls since the last look, and reads what the others have told it. */
  async #lookUp(): Promise<void> {
    const calls = this.#calls
    const answerMs = calls === 0 ? undefined : this.#answerMs / calls
    this.#calls = 0
    this.#answerMs = 0
    try {
      await this.#change((pace, now) => ({
        ...pace,
        limit: isIdle(pace, calls) ? pace.limit : afterCalls(pace.limit, calls, now),
        answerMs:
          answerMs === undefined
            ? pace.answerMs
            : pace.answerMs + (answerMs - pace.answerMs) * ANSWER_TIME_WEIGHT,
      }))
    } catch (error) {
      this.#calls += calls
      this.#answerMs += (answerMs ?? 0) * calls
      this.#logger.debug({ err: error }, "the pace could not be looked up")
    }
  }

  async #countWaiting(): Promise<void> {
    const limit = this.#fleet.pace?.limit
    if (limit === undefined || limit.perMinute === null) return
    try {
      this.#waiting = await this.#queue.getJobCountByTypes("waiting", "prioritized", "delayed")
    } catch (error) {
      this.#logger.debug({ err: error }, "the waiting jobs could not be counted")
    }
  }

  async #tellOfRefusal(refusal: Refusal): Promise<void> {
    const calls = this.#calls
    this.#calls = 0
    this.#answerMs = 0
    const learn: PaceChange = (pace, now) => ({
      ...pace,
      limit: afterRefusal(afterCalls(pace.limit, calls, now), refusal, now),
    })
    this.#fleet.assume(learn)
    // At once, because it holds all workers; and again when the row is written, because a worker
    // that had not seen the row may have taken the queue's pause away.
    const quick = this.#guardQueue()
    try {
      await extendPause(this.#database, refusal.pauseMs)
      await this.#change(learn)
      const { perMinute } = this.#fleet.pace?.limit ?? {}
      this.#logger.info({ perMinute }, "the scoring system's limit is taken to be this")
    } catch (error) {
      this.#logger.error({ err: error }, "the refusal could not be written; the queue is paused")
    }
    await quick
    await this.#guardQueue()
  }

  #checkOutage(): void {
    if (this.#isDown() || !this.#outage.isDown(performance.now())) return
    outages.inc()
    this.#logger.error("the scoring system is down: one poll a second until it answers")
    void this.#turn((pace, now) => ({ ...pace, downSince: pace.downSince ?? now }))
  }

  async #recover(): Promise<void> {
    this.#logger.info("the scoring system answers again")
    await this.#turn((pace, now) =>
      pace.downSince === null
        ? pace
        : { ...pace, limit: afterOutage(pace.limit, now), downSince: null, recoveredAt: now },
    )
  }

  #isDown(): boolean {
    const { pace } = this.#fleet
    return pace !== undefined && pace.downSince !== null
  }

  /** Changes the pace here and in the queue at once, and then for everybody. */
  async #turn(change: PaceChange): Promise<void> {
    this.#fleet.assume(change)
    await this.#guardQueue()
    try {
      await this.#change(change)
    } catch (error) {
      this.#logger.warn({ err: error }, "the pace could not be written; it is tried again")
    }
    await this.#guardQueue()
  }

  async #change(change: PaceChange): Promise<void> {
    const wasDown = this.#isDown()
    await this.#fleet.change(change)
    // Another worker has got an answer.
    if (wasDown && !this.#isDown()) this.#outage.endElsewhere(performance.now())
  }

  async #guardQueue(): Promise<void> {
    const { pace, isCurrent } = this.#fleet
    if (pace === undefined) return
    // Who does not know what the others have learned may hold the fleet, but not let it go.
    if (!isCurrent && this.remainingMs() === 0 && !this.#isDown()) return
    try {
      const limit = allowanceOf(pace, this.#fleet.now())
      await holdQueue(this.#queue, { pauseMs: this.remainingMs(), limit })
    } catch (error) {
      this.#logger.warn({ err: error }, "the queue could not be held to the pace")
    }
  }
}

/** Without a limit and without calls there is nothing to count. */
function isIdle({ limit }: SharedPace, calls: number): boolean {
  return limit.perMinute === null && calls === 0
}
