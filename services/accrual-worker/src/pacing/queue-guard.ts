import { holdQueue } from "@gofermart/shared/queue/backend.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import { atMostEvery } from "@gofermart/shared/runtime/at-most-every.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import { queueHoldOf } from "./allowance.ts"
import type { FleetPace } from "./fleet-pace.ts"

/** In which it is logged once that the queue cannot be held to the pace. */
const SAME_WARNING_INTERVAL_MS = 30_000

/** Holds the queue to the fleet's pace: its rate limit is what holds all workers. */
export class QueueGuard {
  readonly #queue: AccrualQueue
  readonly #fleet: FleetPace
  readonly #logger: Logger
  readonly #isTimeToWarn = atMostEvery(SAME_WARNING_INTERVAL_MS)

  constructor(queue: AccrualQueue, fleet: FleetPace, logger: Logger) {
    this.#queue = queue
    this.#fleet = fleet
    this.#logger = logger
  }

  /** Puts back what is missing in the queue. Never rejects: it is tried again soon. */
  async hold(): Promise<void> {
    const hold = queueHoldOf(this.#fleet.known())
    if (hold === undefined) return
    try {
      await holdQueue(this.#queue, hold)
    } catch (error) {
      // During a pause the queue is tried ten times a second.
      if (this.#isTimeToWarn()) {
        this.#logger.warn({ err: error }, "the queue could not be held to the pace")
      }
    }
  }
}
