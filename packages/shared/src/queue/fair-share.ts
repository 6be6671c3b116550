import type { PollOrigin } from "./poll-job.ts"

/**
 * Whose order is polled first where not all can be polled at once: the fewer unfinished orders its owner
 * had when it came, the sooner. So a customer with one order does not wait for another's ten thousand.
 *
 * A priority is BullMQ's: jobs without one, which is 0, go first, then 1, 2, and so on; each priority first
 * come, first served. It is a logarithm, so that the jobs of all waiting orders have few of them.
 */

/** Of the customers with the most orders; half a million or more are all alike. */
const PRIORITY_MAX = 20

/** All but 0, those that go first at the beginning. */
export const PRIORITIES = Array.from({ length: PRIORITY_MAX }, (_, i) => i + 1)

/** For how long a poll may wait, since it was due, before requeue moves it up. */
export const PASSED_OVER_AFTER_MS = 900_000

/** None beside it: 0; 1: 1; 2 or 3: 2; 4 to 7: 3; twice as many: one more. */
export function priorityOf(unfinishedOrders: number): number {
  if (unfinishedOrders < 1) return 0
  return Math.min(1 + Math.floor(Math.log2(unfinishedOrders)), PRIORITY_MAX)
}

/**
 * The next priority of a job that was passed over for `PASSED_OVER_AFTER_MS`. It never becomes 0: there may
 * be very many such jobs, and a customer's only order does not wait for them.
 */
export function movedUp(priority: number): number {
  return Math.min(priority, Math.max(priority - 1, 1))
}

/**
 * What puts back the jobs of a page of unfinished orders, which are gone. How many others an owner has is
 * counted in the page: in the table it would be a read of all that were settled during a backup.
 */
export function pollsOf(page: { number: string; userId: bigint }[]): PollOrigin[] {
  const ofOwner = new Map<bigint, number>()
  return page.map(({ number, userId }) => {
    const before = ofOwner.get(userId) ?? 0
    ofOwner.set(userId, before + 1)
    return { number, priority: priorityOf(before) }
  })
}
