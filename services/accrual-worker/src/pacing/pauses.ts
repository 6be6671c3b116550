import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import { Counter } from "prom-client"
import type { AnswerReports } from "./answer-reports.ts"
import type { FleetPace } from "./fleet-pace.ts"
import type { Refusal } from "./learned-limit.ts"
import { stayDown } from "./outage-changes.ts"
import type { OutageWatch } from "./outage-watch.ts"
import type { PaceChange } from "./pace-changes.ts"
import type { QueueGuard } from "./queue-guard.ts"
import { isLongerPause } from "./snapshot.ts"

const pauses = new Counter({
  name: "gofermart_scoring_pauses_total",
  help: "Pauses of the fleet that this worker has begun or made longer, after a 429 or 503.",
})

/**
 * Begins pauses: in this worker at once, in the queue, and in the row. A pause that is no longer than
 * the one there is changes nothing.
 */
export class Pauses {
  readonly #fleet: FleetPace
  readonly #guard: QueueGuard
  readonly #outages: OutageWatch
  readonly #reports: AnswerReports
  readonly #logger: Logger
  #told: Promise<void> = Promise.resolve()

  constructor(
    parts: { fleet: FleetPace; guard: QueueGuard; outages: OutageWatch; reports: AnswerReports },
    logger: Logger,
  ) {
    this.#fleet = parts.fleet
    this.#guard = parts.guard
    this.#outages = parts.outages
    this.#reports = parts.reports
    this.#logger = logger
  }

  /** After a 429. Resolves when the fleet has been told. */
  async afterRefusal(refusal: Refusal): Promise<void> {
    if (this.#isNoLonger(refusal.pauseMs)) return await this.#told
    this.#begin(refusal.pauseMs)
    this.#logger.warn(refusal, "too many requests: polling is paused")
    this.#told = this.#tellRefusal(refusal)
    await this.#told
  }

  /**
   * After a 503 that says for how long the scoring system is down. It is an outage: after the pause one
   * poll a second finds out whether it is over. Resolves when the fleet has been told.
   */
  async inOutage(pauseMs: number): Promise<void> {
    if (this.#isNoLonger(pauseMs)) return await this.#told
    this.#begin(pauseMs)
    this.#outages.countAnnounced()
    this.#logger.error({ pauseMs }, "the scoring system is down, and says for how long")
    this.#told = this.#tell(pauseMs, stayDown)
    await this.#told
  }

  /** Resolves when the fleet has been told of the latest pause. */
  told(): Promise<void> {
    return this.#told
  }

  #isNoLonger(pauseMs: number): boolean {
    return !isLongerPause(pauseMs, this.#fleet.known().pauseMs)
  }

  #begin(pauseMs: number): void {
    this.#fleet.pauseFor(pauseMs)
    pauses.inc()
  }

  async #tellRefusal(refusal: Refusal): Promise<void> {
    await this.#tell(refusal.pauseMs, this.#reports.takeRefusal(refusal))
    const { perMinute } = this.#fleet.pace?.limit ?? {}
    this.#logger.info({ perMinute }, "the scoring system's limit is taken to be this")
  }

  async #tell(pauseMs: number, change: PaceChange): Promise<void> {
    const forget = this.#fleet.assume(change)
    // At once, because it holds all workers; and again when the row is written, because a worker
    // that had not seen the row may have taken the queue's pause away.
    const quick = this.#guard.hold()
    try {
      await this.#fleet.writePause(pauseMs)
      await this.#outages.change(change, { isNews: true })
    } catch (error) {
      this.#logger.error({ err: error }, "the pause could not be written; the queue is paused")
      forget()
    }
    await quick
    await this.#guard.hold()
  }
}
