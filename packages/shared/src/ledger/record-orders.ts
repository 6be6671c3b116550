import type { Database } from "../db/client.ts"
import type { OrderNumber } from "../domain/order-number.ts"
import { knownOutcome, type Outcomes, outcomesOf } from "./outcomes.ts"
import { retry } from "../db/retry.ts"

export interface Upload {
  userId: bigint
  number: OrderNumber
}

/** accepted: new, or open again. taken: another user's. See prisma/functions/record_orders.sql. */
export const RECORD_OUTCOMES = ["accepted", "already_uploaded", "taken", "no_user"] as const
export type RecordOutcome = (typeof RECORD_OUTCOMES)[number]

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
  const [told] = await retry(
    () => database.$queryRaw<[Outcomes<string>]>`
      SELECT count(*) FILTER (WHERE outcome = 'accepted')::int AS usual,
             jsonb_object_agg(position, outcome) FILTER (WHERE outcome <> 'accepted') AS others
        FROM record_orders(${userIds}::bigint[], ${numbers}::text[], ${leaseMs}::bigint)
             WITH ORDINALITY AS r (outcome, position)`,
  )
  const outcomes = outcomesOf<string>(uploads, "accepted", told)
  return outcomes.map((outcome) => knownOutcome(RECORD_OUTCOMES, outcome))
}
