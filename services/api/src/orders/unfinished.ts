import type { Database } from "@gofermart/shared/db/client.ts"
import { Batcher } from "@gofermart/shared/runtime/batcher.ts"
import { LRUCache } from "lru-cache"

/** What other instances have accepted since is not counted. */
const COUNT_FRESH_MS = 10_000
/** A user who seems to have too many is counted again after this time: some may be final by now. */
const RECOUNT_AFTER_MS = 2_000
const USERS_COUNTED_MAX = 100_000
const USERS_PER_COUNT_MAX = 256
const COUNTS_IN_FLIGHT_MAX = 1
const USERS_WAITING_MAX = 10_000

interface Count {
  orders: number
  countedAtMs: number
}

/**
 * Says whether a user may have one more order that is not final.
 *
 * It is asked before an order is recorded, and apart from that: the count of a user with very many
 * must not hold up the batch that others' orders are recorded in. So the limit is not exact: what is
 * under way, and what other instances accept in `COUNT_FRESH_MS`, may pass it.
 */
export class UnfinishedOrders {
  readonly #max: number
  readonly #counts = new LRUCache<bigint, Promise<Count>>({
    max: USERS_COUNTED_MAX,
    ttl: COUNT_FRESH_MS,
  })
  readonly #counter: Batcher<bigint, Count>

  constructor(database: Database, max: number) {
    this.#max = max
    const count = (userIds: bigint[]) => countUnfinished(database, userIds, max)
    this.#counter = new Batcher(count, () => false, {
      itemsPerBatchMax: USERS_PER_COUNT_MAX,
      batchesInFlightMax: COUNTS_IN_FLIGHT_MAX,
      itemsWaitingMax: USERS_WAITING_MAX,
    })
  }

  /** Whether there is room for one more. Rejects with `BatcherFullError` under overload. */
  async hasRoom(userId: bigint): Promise<boolean> {
    const count = await (this.#counts.get(userId) ?? this.#count(userId))
    if (count.orders < this.#max) return true
    if (performance.now() - count.countedAtMs < RECOUNT_AFTER_MS) return false
    return (await this.#count(userId)).orders < this.#max
  }

  /** Counts an order that was accepted. */
  async add(userId: bigint): Promise<void> {
    const count = await this.#counts.get(userId)
    if (count !== undefined) count.orders += 1
  }

  #count(userId: bigint): Promise<Count> {
    const counted = this.#counter.add(userId)
    counted.catch(() => this.#counts.delete(userId))
    this.#counts.set(userId, counted)
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
                     WHERE a.user_id = u.id AND a.version IS NULL AND a.status = 'PROCESSING'
                     LIMIT ${max}::int) unfinished)::int AS orders
      FROM unnest(${userIds}::bigint[]) WITH ORDINALITY AS u (id, position)
     ORDER BY u.position`
  return rows.map(({ orders }) => ({ orders, countedAtMs }))
}
