import type { Database } from "../db/client.ts"
import type { OrderNumber } from "../domain/order-number.ts"
import { type Outcomes, outcomesOf } from "./outcomes.ts"
import { repeat } from "../db/repeat.ts"

export interface Upload {
  userId: bigint
  number: OrderNumber
}

/** accepted: new, or open again. taken: another user's. See `record_orders` in the migrations. */
export type RecordOutcome = "accepted" | "already_uploaded" | "taken" | "no_user"

/**
 * Records uploaded orders, each with its accrual in PROCESSING, in one transaction; one outcome per
 * upload, in their order. The same number twice has one winner. What it returned is committed.
 *
 * `leaseMs`: how long requeue trusts that the orders' jobs are in the queue.
 */
export async function recordOrders(
  database: Database,
  uploads: Upload[],
  leaseMs: number,
): Promise<RecordOutcome[]> {
  const userIds = uploads.map(({ userId }) => userId)
  const numbers = uploads.map(({ number }) => number)
  const [told] = await repeat(
    () => database.$queryRaw<[Outcomes<RecordOutcome>]>`
      SELECT count(*) FILTER (WHERE outcome = 'accepted')::int AS usual,
             jsonb_object_agg(position, outcome) FILTER (WHERE outcome <> 'accepted') AS others
        FROM record_orders(${userIds}::bigint[], ${numbers}::text[], ${leaseMs}::bigint)
             WITH ORDINALITY AS r (outcome, position)`,
  )
  return outcomesOf(uploads, "accepted", told)
}
