import type { Database } from "../db/client.ts"
import type { OrderNumber } from "../domain/order-number.ts"
import { repeat } from "./repeat.ts"

export interface Upload {
  userId: bigint
  number: OrderNumber
}

/** accepted: new, or open again. taken: another user's. See `record_orders` in the migrations. */
export type RecordOutcome = "accepted" | "already_uploaded" | "taken" | "no_user"

export interface Recorded {
  outcome: RecordOutcome
  /** Null only when there is no such user. */
  orderId: bigint | null
}

/**
 * Records uploaded orders, each with its accrual in PROCESSING, in one transaction; one result per
 * upload, in their order. The same number twice has one winner. What it returned is committed.
 *
 * `leaseMs`: how long requeue trusts that the orders' jobs are in the queue.
 */
export async function recordOrders(
  database: Database,
  uploads: Upload[],
  leaseMs: number,
): Promise<Recorded[]> {
  const userIds = uploads.map(({ userId }) => userId)
  const numbers = uploads.map(({ number }) => number)
  return repeat(
    () => database.$queryRaw<Recorded[]>`
      SELECT outcome, order_id AS "orderId"
        FROM record_orders(${userIds}::bigint[], ${numbers}::text[], ${leaseMs}::bigint)`,
  )
}
