import { setTimeout as sleep } from "node:timers/promises"
import type { Database } from "@gofermart/shared/db/client.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import type { Answer } from "@gofermart/scoring-client/answer.ts"
import { AnswerReports } from "./answer-reports.ts"
import { FleetPace } from "./fleet-pace.ts"
import { isAwaitingAnswer, type Refusal } from "./learned-limit.ts"
import { OutageWatch } from "./outage-watch.ts"
import { Pauses } from "./pauses.ts"
import { QueueGuard } from "./queue-guard.ts"
import { untilNextCheckMs, untilNextLookUpMs } from "./schedule.ts"
import { type PaceSnapshot, snapshotOf } from "./snapshot.ts"
import { WaitingJobs } from "./waiting-jobs.ts"

/** How often, under a limit, the jobs that wait are counted. */
const COUNT_INTERVAL_MS = 5_000

/**
 * Lets the fleet poll as much as the scoring system allows, and no more.
 *
 * Two rows in PostgreSQL are the truth: until when nobody may poll (`scoring_pause`, which workers
 * only ever extend), and what was learned of the limit and of outages (`scoring_pace`). The queue's
 * rate limit is what holds all workers; each puts back what is missing of it. For a pause there is
 * also this worker's own deadline, which is the quickest: it closes at once.
 *
 * This is all that the rest of a worker knows of pacing; what is done with a job is not decided here.
 */
export class ScoringPacer {
  readonly #stopping = new AbortController()
  readonly #fleet: FleetPace
  readonly #guard: QueueGuard
  readonly #outages: OutageWatch
  readonly #reports: AnswerReports
  readonly #pauses: Pauses
  readonly #waiting: WaitingJobs
  #watching: Promise<void> | undefined

  /** `timeoutMs`: after which a call is given up. */
  constructor(database: Database, queue: AccrualQueue, logger: Logger, timeoutMs: number) {
    const fleet = new FleetPace(database)
    const guard = new QueueGuard(queue, fleet, logger)
    const outages = new OutageWatch(fleet, guard, logger, timeoutMs)
    const reports = new AnswerReports(outages, logger)
    this.#fleet = fleet
    this.#guard = guard
    this.#outages = outages
    this.#reports = reports
    this.#pauses = new Pauses({ fleet, guard, outages, reports }, logger)
    this.#waiting = new WaitingJobs(queue, logger)
  }

  /** The fleet's pace as this worker knows it now. */
  snapshot(): PaceSnapshot {
    return snapshotOf(this.#fleet.known(), this.#waiting.count)
  }

  /** Makes a call, and learns from its answer whether the scoring system is down. */
  async poll(call: () => Promise<Answer>): Promise<Answer> {
    const begun = performance.now()
    const end = this.#outages.begin(begun)
    const answer = await call()
    const endedAt = performance.now()
    end(answer.kind !== "unavailable", endedAt)
    if (answer.kind === "valid" && begun >= this.#fleet.pauseEndsAt) {
      this.#reports.count(endedAt - begun)
      await this.#learnFromAnswer(begun)
    }
    this.#outages.check()
    return answer
  }

  /**
   * Only an answer that can be used says that all is well: a page of whatever stands before the scoring
   * system does not. A call that was begun before the end of a pause, or before an outage, says nothing.
   */
  async #learnFromAnswer(begun: number): Promise<void> {
    if (this.#fleet.isDown) return await this.#outages.recover(begun)
    const limit = this.#fleet.pace?.limit
    if (limit === undefined || !isAwaitingAnswer(limit)) return
    await this.#reports.report()
    await this.#guard.hold()
  }

  /** Pauses this worker now and the fleet as soon as it is told; resolves when it is. */
  pauseAfterRefusal(refusal: Refusal): Promise<void> {
    return this.#pauses.afterRefusal(refusal)
  }

  /** Pauses as after a refusal, for a scoring system that is down and says for how long. */
  pauseInOutage(pauseMs: number): Promise<void> {
    return this.#pauses.inOutage(pauseMs)
  }

  /** Resolves when the fleet has been told of the latest pause. */
  pauseTold(): Promise<void> {
    return this.#pauses.told()
  }

  /** Keeps up with the fleet's pace; resolves when it has been looked up for the first time. */
  async watch(): Promise<void> {
    await this.#reports.report()
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
        await this.#reports.report()
        nextLookUp = performance.now() + untilNextLookUpMs(this.#fleet.known())
      }
      if (performance.now() >= nextCount) {
        if (this.#isLimited()) await this.#waiting.recount()
        nextCount = performance.now() + COUNT_INTERVAL_MS
      }
      this.#outages.check()
      await this.#guard.hold()
      const sleepMs = untilNextCheckMs(this.#fleet.known())
      await sleep(sleepMs, undefined, { signal: this.#stopping.signal }).catch(() => {})
    }
  }

  #isLimited(): boolean {
    const limit = this.#fleet.pace?.limit
    return limit !== undefined && limit.perMinute !== null
  }
}
