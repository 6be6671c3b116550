import * as fc from "fast-check"
import { expect, it, test } from "vitest"
import { movedUp, PASSED_OVER_AFTER_MS, PRIORITIES, priorityOf } from "./fair-share.ts"

test.each([
  [0, 0],
  [1, 1],
  [2, 2],
  [3, 2],
  [4, 3],
  [10_000, 14],
  [2 ** 19, 20],
  [100_000_000, 20],
  [-1, 0],
])("the priority with %i unfinished orders is %i", (unfinishedOrders, priority) => {
  expect(priorityOf(unfinishedOrders)).toBe(priority)
  expect([0, ...PRIORITIES]).toContain(priority)
})

test.each([
  [14, 13],
  [2, 1],
  [1, 1],
  [0, 0],
])("what was passed over goes from %i to %i", (priority, next) => {
  expect(movedUp(priority)).toBe(next)
})

const SECOND_MS = 1_000
const MINUTE_MS = 60_000
const POLLS_PER_S = 4
const CROWDS_MAX = 6
const ARRIVALS_S = 5_400
const WITH_THREE_MAX = 2
const REQUEUE_EVERY_MS = 30 * SECOND_MS
/** As requeue's: a quarter of an order's age, between the shortest and the longest lease. */
const leaseMs = (ageMs: number) => Math.min(Math.max(ageMs / 4, 30 * SECOND_MS), 10 * MINUTE_MS)

interface Waiting {
  cameMs: number
  /** That it came with. */
  priority: number
  leaseEndMs: number
  /** How many waited when it came to where it is not moved up any more. */
  ahead: number
}

/**
 * The bound on an order's wait, and the rate it holds for: as long as customers' only orders come more
 * slowly than polls are made, an order is moved up at each lease that ends after `PASSED_OVER_AFTER_MS`, as
 * often as its priority says; and then only customers' only orders overtake it.
 */
function waitMaxMs({ priority, ahead }: Waiting, onlyOrdersPerS: number): number {
  let ageMs = PASSED_OVER_AFTER_MS
  for (let moves = 0; moves < priority; moves++) ageMs += leaseMs(ageMs) + REQUEUE_EVERY_MS
  return ageMs + (1 + ahead / (POLLS_PER_S - onlyOrdersPerS)) * SECOND_MS
}

/** A queue with one order a customer in each second, and now and then one with very many, in virtual time. */
class Shop {
  readonly #queues = [0, ...PRIORITIES].map((): Waiting[] => [])
  #now = 0

  add(orders: number): void {
    for (let i = 0; i < orders; i++) {
      const priority = priorityOf(i)
      const leaseEndMs = this.#now + leaseMs(0)
      this.#put(priority, { cameMs: this.#now, priority, leaseEndMs, ahead: this.waiting })
    }
  }

  #put(priority: number, order: Waiting): void {
    this.#queues[priority]?.push(order)
  }

  get waiting(): number {
    return this.#queues.reduce((orders, queue) => orders + queue.length, 0)
  }

  /** A second's polls: what was polled, and for how long it had waited, in milliseconds. */
  pass(): [Waiting, number][] {
    if (this.#now % REQUEUE_EVERY_MS === 0) this.#requeue()
    const polled: [Waiting, number][] = []
    for (let i = 0; i < POLLS_PER_S; i++) {
      const order = this.#queues.find((queue) => queue.length > 0)?.shift()
      if (order !== undefined) polled.push([order, this.#now - order.cameMs])
    }
    this.#now += SECOND_MS
    return polled
  }

  #requeue(): void {
    for (const [priority, queue] of this.#queues.entries()) {
      const stays: Waiting[] = []
      for (const order of queue.splice(0)) {
        const ageMs = this.#now - order.cameMs
        const isOver = this.#now >= order.leaseEndMs
        if (isOver) order.leaseEndMs = this.#now + leaseMs(ageMs)
        const next = isOver && ageMs > PASSED_OVER_AFTER_MS ? movedUp(priority) : priority
        if (next === priority) stays.push(order)
        else this.#put(next, { ...order, ahead: this.waiting + stays.length })
      }
      queue.push(...stays)
    }
  }
}

it("lets no order wait for ever, and a customer's only one for nothing but others like it", () => {
  const crowd = fc.record({
    atS: fc.integer({ min: 0, max: ARRIVALS_S }),
    orders: fc.oneof(fc.integer({ min: 2, max: 20 }), fc.integer({ min: 500, max: 2_000 })),
  })
  const someCrowds = fc.array(crowd, { minLength: 1, maxLength: CROWDS_MAX })
  /** Customers a second. */
  const arriving = fc.record({
    withOneOrder: fc.integer({ min: 0, max: POLLS_PER_S - WITH_THREE_MAX - 1 }),
    withThree: fc.integer({ min: 0, max: WITH_THREE_MAX }),
  })
  let longestWaitMs = 0
  fc.assert(
    fc.property(someCrowds, arriving, (crowds, { withOneOrder, withThree }) => {
      const shop = new Shop()
      for (let second = 0; second <= ARRIVALS_S || shop.waiting > 0; second++) {
        for (const { atS, orders } of crowds) if (atS === second) shop.add(orders)
        const areComing = second <= ARRIVALS_S
        for (let i = 0; i < (areComing ? withOneOrder : 0); i++) shop.add(1)
        for (let i = 0; i < (areComing ? withThree : 0); i++) shop.add(3)
        for (const [order, waitedMs] of shop.pass()) {
          longestWaitMs = Math.max(longestWaitMs, waitedMs)
          const firstsPerS = withOneOrder + withThree
          const maxMs = order.priority === 0 ? CROWDS_MAX * SECOND_MS : waitMaxMs(order, firstsPerS)
          if (waitedMs > maxMs) expect.fail(`${JSON.stringify(order)} waited ${waitedMs} ms`)
        }
      }
    }),
    { numRuns: 8, seed: 20_261_201 },
  )
  // Else nothing was moved up, and nothing tested.
  expect(longestWaitMs).toBeGreaterThan(PASSED_OVER_AFTER_MS + 10 * MINUTE_MS)
})
