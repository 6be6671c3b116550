import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import { Counter } from "prom-client"
import type { FleetPace } from "./fleet-pace.ts"
import { goDown, recoverBy } from "./outage-changes.ts"
import { OutageDetector } from "./outage.ts"
import type { PaceChange } from "./pace-changes.ts"
import type { QueueGuard } from "./queue-guard.ts"

const outages = new Counter({
  name: "gofermart_scoring_outages_total",
  help: "Outages of the scoring system that this worker has found.",
})

/** Finds outages of the scoring system by this worker's own calls, and tells the fleet of both ends. */
export class OutageWatch {
  readonly #fleet: FleetPace
  readonly #guard: QueueGuard
  readonly #logger: Logger
  readonly #detector: OutageDetector
  #isRecovering = false

  /** `timeoutMs`: after which a call is given up. */
  constructor(fleet: FleetPace, guard: QueueGuard, logger: Logger, timeoutMs: number) {
    this.#fleet = fleet
    this.#guard = guard
    this.#logger = logger
    this.#detector = new OutageDetector(timeoutMs)
  }

  /** A call begins, at `now` of the monotonic clock; what is returned ends it. */
  begin(now: number): (isAnswered: boolean, now: number) => void {
    return this.#detector.begin(now)
  }

  /** Tells the fleet of an outage where this worker's calls say that there is one. */
  check(): void {
    if (this.#fleet.isDown || !this.#detector.isDown(performance.now())) return
    outages.inc()
    this.#logger.error("the scoring system is down: one poll a second until it answers")
    void this.#goDown()
  }

  /** The scoring system says itself that it is down. */
  countAnnounced(): void {
    if (!this.#fleet.isDown) outages.inc()
  }

  /**
   * A call that was begun then, on the monotonic clock, has been answered: the outage may be over. In
   * the row before the queue: another worker may know more.
   */
  async recover(begun: number): Promise<void> {
    const change = recoverBy(() => performance.now() - begun)
    if (this.#isRecovering || !this.#fleet.wouldChange(change)) return
    this.#isRecovering = true
    try {
      await this.#fleet.change(change)
      if (!this.#fleet.isDown) this.#logger.info("the scoring system answers again")
    } catch (error) {
      this.#logger.warn({ err: error }, "the outage's end could not be written")
    } finally {
      this.#isRecovering = false
    }
    await this.#guard.hold()
  }

  /**
   * Makes a change that ends no outage; where there is none any more, another worker has got an answer.
   * Rejects when the database is away.
   */
  async change(change: PaceChange, options?: { isNews: boolean }): Promise<void> {
    const wasDown = this.#fleet.isDown
    await this.#fleet.change(change, options)
    if (wasDown && !this.#fleet.isDown) this.#detector.endElsewhere(performance.now())
  }

  /** Here and in the queue at once, and then for everybody. */
  async #goDown(): Promise<void> {
    const forget = this.#fleet.assume(goDown)
    await this.#guard.hold()
    try {
      await this.change(goDown)
    } catch (error) {
      this.#logger.warn({ err: error }, "the pace could not be written; it is tried again")
      forget()
    }
    await this.#guard.hold()
  }
}
