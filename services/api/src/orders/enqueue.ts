import { type AccrualQueue, type OrderToPoll, addPolls } from "@gofermart/shared/queue/poll-job.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"

/** Orders held for a queue that is slow or away; more are left to requeue. */
const ORDERS_HELD_MAX = 20_000

/**
 * Hands accepted orders to the workers without making anybody wait.
 *
 * The queue is a hint: the orders are committed, and what does not get there is put in by the
 * workers' requeue. So a queue that is down or silent neither fails nor delays an upload.
 */
export class Enqueuer {
  readonly #queue: AccrualQueue
  readonly #logger: Logger
  #held = 0
  #underWay = new Set<Promise<void>>()

  constructor(queue: AccrualQueue, logger: Logger) {
    this.#queue = queue
    this.#logger = logger
  }

  enqueue(orders: OrderToPoll[]): void {
    if (this.#held + orders.length > ORDERS_HELD_MAX) {
      this.#logger.warn({ orders: orders.length }, "the queue is behind; requeue takes over")
      return
    }
    this.#held += orders.length
    const adding = this.#add(orders).finally(() => {
      this.#held -= orders.length
      this.#underWay.delete(adding)
    })
    this.#underWay.add(adding)
  }

  /** Resolves when the queue has what it was given. It may never, while the queue is away. */
  async idle(): Promise<void> {
    await Promise.all(this.#underWay)
  }

  async #add(orders: OrderToPoll[]): Promise<void> {
    try {
      await addPolls(this.#queue, orders)
    } catch (error) {
      this.#logger.warn({ err: error, orders: orders.length }, "not enqueued; requeue takes over")
    }
  }
}
