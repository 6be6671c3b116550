import type { Database } from "../db/client.ts"
import type { OrderNumber } from "../domain/order-number.ts"
import { repeat } from "./repeat.ts"

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
  // Rows cost time on their way, so those that say what nearly all do are only counted.
  const [result] = await repeat(
    () => database.$queryRaw<[{ accepted: number; others: Others | null }]>`
      SELECT count(*) FILTER (WHERE outcome = 'accepted')::int AS accepted,
             jsonb_object_agg(position, outcome) FILTER (WHERE outcome <> 'accepted') AS others
        FROM record_orders(${userIds}::bigint[], ${numbers}::text[], ${leaseMs}::bigint)
             WITH ORDINALITY AS r (outcome, position)`,
  )
  const others = result.others ?? {}
  if (result.accepted + Object.keys(others).length !== uploads.length) {
    throw new Error("record_orders() must give an outcome for each upload")
  }
  return uploads.map((_upload, i) => others[i + 1] ?? "accepted")
}

/** By position in the call, from 1. */
type Others = Record<number, RecordOutcome>
