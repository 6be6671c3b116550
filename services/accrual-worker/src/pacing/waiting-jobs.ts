import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"

/** How many jobs in the queue are not being worked on, as they were last counted. */
export class WaitingJobs {
  readonly #queue: AccrualQueue
  readonly #logger: Logger
  #count = 0

  constructor(queue: AccrualQueue, logger: Logger) {
    this.#queue = queue
    this.#logger = logger
  }

  get count(): number {
    return this.#count
  }

  /** Counts them anew. Never rejects: the count stays what it was. */
  async recount(): Promise<void> {
    try {
      this.#count = await this.#queue.getJobCountByTypes("waiting", "prioritized", "delayed")
    } catch (error) {
      this.#logger.debug({ err: error }, "the waiting jobs could not be counted")
    }
  }
}
