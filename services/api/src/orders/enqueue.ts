import { setTimeout as sleep } from "node:timers/promises"
import { type AccrualQueue, addPollsOf, type PollOrigin } from "@gofermart/shared/queue/poll-job.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import { reasonOf } from "@gofermart/shared/runtime/reason-of.ts"
import { Counter } from "prom-client"

const notEnqueued = new Counter({
  name: "gofermart_orders_not_enqueued_total",
  help: "Accepted orders whose jobs the queue has not taken; requeue adds them later.",
})

/** Orders held for a queue that is slow or away; more are left to requeue. */
const ORDERS_HELD_MAX = 20_000
const ORDERS_PER_ADD_MAX = 1_000

/** What a queue that is away has not taken by then is left to requeue. */
const CLOSE_TIMEOUT_MS = 2_000

/**
 * Hands accepted orders to the workers without making anybody wait.
 *
 * The queue is a hint: the orders are committed, and what does not get there is put in by the
 * workers' requeue. So a queue that is down or silent neither fails nor delays an upload. What comes
 * in while jobs are being added is added after them, all at once.
 */
export class Enqueuer {
  readonly #queue: Promise<AccrualQueue>
  readonly #logger: Logger
  #held: PollOrigin[] = []
  #adding: Promise<void> | undefined

  constructor(queue: Promise<AccrualQueue>, logger: Logger) {
    this.#queue = queue
    this.#logger = logger
  }

  enqueue(orders: PollOrigin[]): void {
    if (orders.length === 0) return
    if (this.#held.length + orders.length > ORDERS_HELD_MAX) {
      notEnqueued.inc(orders.length)
      this.#logger.warn({ orders: orders.length }, "the queue is behind; requeue takes over")
      return
    }
    this.#held.push(...orders)
    this.#adding ??= this.#addHeld()
  }

  /** Resolves when the queue has what it was given, or has had its time. */
  async close(): Promise<void> {
    await Promise.race([this.#adding, sleep(CLOSE_TIMEOUT_MS, undefined, { ref: false })])
  }

  async #addHeld(): Promise<void> {
    while (this.#held.length > 0) await this.#add(this.#held.splice(0, ORDERS_PER_ADD_MAX))
    this.#adding = undefined
  }

  async #add(orders: PollOrigin[]): Promise<void> {
    try {
      await addPollsOf(await this.#queue, orders)
    } catch (error) {
      notEnqueued.inc(orders.length)
      this.#logger.warn(
        { reason: reasonOf(error), orders: orders.length },
        "not enqueued; requeue takes over",
      )
    }
  }
}
