import { setTimeout as sleep } from "node:timers/promises"
import { type AccrualQueue, addPolls } from "@gofermart/shared/queue/poll-job.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"

/** Orders held for a queue that is slow or away; more are left to requeue. */
const ORDERS_HELD_MAX = 20_000

/** What a queue that is away has not taken by then is left to requeue. */
const CLOSE_TIMEOUT_MS = 2_000

/**
 * Hands accepted orders to the workers without making anybody wait.
 *
 * The queue is a hint: the orders are committed, and what does not get there is put in by the
 * workers' requeue. So a queue that is down or silent neither fails nor delays an upload.
 */
export class Enqueuer {
  readonly #queue: Promise<AccrualQueue>
  readonly #logger: Logger
  #held = 0
  #underWay = new Set<Promise<void>>()

  constructor(queue: Promise<AccrualQueue>, logger: Logger) {
    this.#queue = queue
    this.#logger = logger
  }

  enqueue(numbers: string[]): void {
    if (this.#held + numbers.length > ORDERS_HELD_MAX) {
      this.#logger.warn({ orders: numbers.length }, "the queue is behind; requeue takes over")
      return
    }
    this.#held += numbers.length
    const adding = this.#add(numbers).finally(() => {
      this.#held -= numbers.length
      this.#underWay.delete(adding)
    })
    this.#underWay.add(adding)
  }

  /** Resolves when the queue has what it was given, or has had its time. */
  async close(): Promise<void> {
    const timeout = sleep(CLOSE_TIMEOUT_MS, undefined, { ref: false })
    await Promise.race([Promise.all(this.#underWay), timeout])
  }

  async #add(numbers: string[]): Promise<void> {
    try {
      await addPolls(await this.#queue, numbers)
    } catch (error) {
      this.#logger.warn({ err: error, orders: numbers.length }, "not enqueued; requeue takes over")
    }
  }
}
