import { batchedWrites } from "@gofermart/shared/db/batched-calls.ts"
import type { Database } from "@gofermart/shared/db/client.ts"
import { retry } from "@gofermart/shared/db/retry.ts"
import { POLLED } from "@gofermart/shared/db/statuses.ts"
import type { Batcher } from "@gofermart/shared/runtime/batcher.ts"

const LEASES_PER_BATCH_MAX = 256
const BATCHES_IN_FLIGHT_MAX = 1

/** An order that is not to be polled for `waitMs` from now. */
export interface PutOff {
  number: string
  waitMs: number
}

/**
 * Opens what makes leases outlast such waits, by `marginMs`: else requeue would have an order polled
 * sooner, when its job is lost meanwhile.
 */
export function openLeaseHolder(
  database: Database,
  marginMs: number,
  itemsWaitingMax: number,
): Batcher<PutOff, void> {
  return batchedWrites((putOff: PutOff[]) => holdLeases(database, putOff, marginMs), {
    name: "hold_leases",
    itemsPerBatchMax: LEASES_PER_BATCH_MAX,
    batchesInFlightMax: BATCHES_IN_FLIGHT_MAX,
    itemsWaitingMax,
    ownerOf: ({ number }) => number,
  })
}

/** Writes only the leases that would end sooner; no other order waits for what holds one of them. */
async function holdLeases(database: Database, putOff: PutOff[], marginMs: number): Promise<void[]> {
  const numbers = putOff.map(({ number }) => number)
  const leases = putOff.map(({ waitMs }) => waitMs + marginMs)
  // Locked in the order in which settling locks them.
  await retry(
    () => database.$executeRaw`
      WITH held AS (
        SELECT a.order_id, now() + i.lease_ms * interval '1 millisecond' AS until
          FROM (SELECT number, max(lease_ms) AS lease_ms
                  FROM unnest(${numbers}::text[], ${leases}::float8[]) AS given (number, lease_ms)
                 GROUP BY number) i
          JOIN orders o ON o.number = i.number
          JOIN accruals a ON a.order_id = o.id
         WHERE a.status IN (${POLLED})
           AND a.requeue_at < now() + i.lease_ms * interval '1 millisecond'
         ORDER BY a.order_id
           FOR NO KEY UPDATE OF a
      )
      UPDATE accruals a SET requeue_at = held.until FROM held WHERE a.order_id = held.order_id`,
  )
  return putOff.map(() => undefined)
}
