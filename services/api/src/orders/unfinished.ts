import { batchedReads } from "@gofermart/shared/db/batched-calls.ts"
import type { Database } from "@gofermart/shared/db/client.ts"
import { POLLED } from "@gofermart/shared/db/statuses.ts"
import type { Batcher } from "@gofermart/shared/runtime/batcher.ts"
import { boundedCache } from "@gofermart/shared/runtime/bounded-cache.ts"

/** What other instances have accepted since a count is not in it. */
const COUNT_FRESH_MS = 10_000
/** For a user who is far from the limit: a count reads each of their unfinished orders. */
const FAR_COUNT_FRESH_MS = 60_000
/** Far is below this part of the limit. */
const FAR_FROM_MAX = 1 / 2
/** A user who seems to have too many is counted again after this time: some may be final by now. */
const RECOUNT_AFTER_MS = 2_000
/** An older count says nothing of who comes back after it. */
const COUNT_KEPT_MS = 300_000
const USERS_COUNTED_MAX = 100_000
const USERS_PER_COUNT_MAX = 256

interface Count {
  orders: number
  countedAtMs: number
}

/**
 * Knows how many orders of a user are not final.
 *
 * They are counted before an order is recorded, and apart from that: the count of a user with very many
 * must not hold up the batch that others' orders are recorded in. So neither the limit nor a priority is
 * exact: what is under way, and what other instances accept while a count is fresh, is not in it. A user
 * who is far from the limit does not wait for a new count.
 */
export class UnfinishedOrders {
  readonly #max: number
  readonly #counts = boundedCache<bigint, Count>(USERS_COUNTED_MAX, { ttl: COUNT_KEPT_MS })
  readonly #underWay = new Map<bigint, Promise<Count>>()
  readonly #counter: Batcher<bigint, Count>

  constructor(database: Database, max: number) {
    this.#max = max
    this.#counter = batchedReads("unfinished_orders", USERS_PER_COUNT_MAX, (userIds) =>
      countUnfinished(database, userIds, max),
    )
  }

  /** Whether there is room for one more. Rejects with `BatcherFullError` under overload. */
  async isBelowLimit(userId: bigint): Promise<boolean> {
    const count = this.#counts.get(userId) ?? (await this.#count(userId))
    const ageMs = performance.now() - count.countedAtMs
    if (count.orders < this.#max * FAR_FROM_MAX) {
      if (ageMs > FAR_COUNT_FRESH_MS) {
        // What failed is not tried again with each upload.
        this.#count(userId).catch(() => (count.countedAtMs = performance.now()))
      }
      return true
    }
    const freshMs = count.orders < this.#max ? COUNT_FRESH_MS : RECOUNT_AFTER_MS
    const fresh = ageMs > freshMs ? await this.#count(userId) : count
    return fresh.orders < this.#max
  }

  /** Counts an order that was accepted, and says how many there were before it. */
  add(userId: bigint): number {
    const count = this.#counts.get(userId)
    return count === undefined ? 0 : count.orders++
  }

  #count(userId: bigint): Promise<Count> {
    const underWay = this.#underWay.get(userId)
    if (underWay !== undefined) return underWay
    const old = this.#counts.get(userId)
    const ordersBefore = old?.orders ?? 0
    const counted = this.#counter
      .add(userId)
      .then((count) => {
        // What was accepted meanwhile.
        count.orders += (old?.orders ?? 0) - ordersBefore
        this.#counts.set(userId, count)
        return count
      })
      .finally(() => this.#underWay.delete(userId))
    this.#underWay.set(userId, counted)
    return counted
  }
}

async function countUnfinished(
  database: Database,
  userIds: bigint[],
  max: number,
): Promise<Count[]> {
  const countedAtMs = performance.now()
  // An order that is not settled has no version; most users have next to none.
  const rows = await database.$queryRaw<{ orders: number }[]>`
    SELECT (SELECT count(*)
              FROM (SELECT FROM accruals a
                     WHERE a.user_id = u.id AND a.version IS NULL AND a.status IN (${POLLED})
                     LIMIT ${max}::int) unfinished)::int AS orders
      FROM unnest(${userIds}::bigint[]) WITH ORDINALITY AS u (id, position)
     ORDER BY u.position`
  return rows.map(({ orders }) => ({ orders, countedAtMs }))
}
