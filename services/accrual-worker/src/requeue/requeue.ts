import { setTimeout as sleep } from "node:timers/promises"
import type { Database } from "@gofermart/shared/db/client.ts"
import { queuePauseMs } from "@gofermart/shared/queue/backend.ts"
import { type AccrualQueue, addPolls } from "@gofermart/shared/queue/poll-job.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import { Counter } from "prom-client"

const requeuedOrders = new Counter({
  name: "gofermart_orders_requeued_total",
  help: "Orders whose lease was over; their jobs were put back where they were gone.",
})

const failedRounds = new Counter({
  name: "gofermart_requeue_rounds_failed_total",
  help: "Rounds of requeue that were not finished: the database or the queue is away, or full.",
})

const ORDERS_PER_PAGE = 1_000
const PAGES_PER_ROUND_MAX = 100
/** The next lease is this part of the order's age, within the configured bounds. */
const LEASE_PER_AGE = 1 / 4

export interface Lease {
  minMs: number
  maxMs: number
}

/**
 * Puts back the jobs of orders whose lease is over, round after round, until the signal aborts.
 *
 * The queue is a hint: it may have lost jobs, or never got them. Adding the job of an order whose
 * job is there does nothing, so this need not know which. A job that failed stays as it is, for the
 * operator.
 */
export async function requeueOverdue(
  parts: { database: Database; queue: AccrualQueue; logger: Logger },
  lease: Lease,
  intervalMs: number,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await runRound(parts, lease, signal)
    } catch (error) {
      failedRounds.inc()
      parts.logger.warn({ err: error }, "requeue did not finish its round")
    }
    // Workers started together drift apart.
    await sleep(intervalMs * (0.75 + Math.random() / 2), undefined, { signal }).catch(() => {})
  }
}

async function runRound(
  { database, queue, logger }: { database: Database; queue: AccrualQueue; logger: Logger },
  lease: Lease,
  signal: AbortSignal,
): Promise<void> {
  // Throws while the queue is away: claiming then would put orders off for a lease for nothing.
  await queuePauseMs(queue)
  for (let page = 0; page < PAGES_PER_ROUND_MAX && !signal.aborted; page++) {
    const numbers = await claimOverdue(database, lease)
    if (numbers.length > 0) {
      await addPolls(queue, numbers)
      requeuedOrders.inc(numbers.length)
      logger.info({ orders: numbers.length }, "requeued overdue orders")
    }
    if (numbers.length < ORDERS_PER_PAGE) return
  }
}

/**
 * Takes a page of orders whose lease is over, the longest overdue first, and gives each its next
 * lease in the same statement. Other workers skip the rows that one has locked.
 */
async function claimOverdue(database: Database, lease: Lease): Promise<string[]> {
  // The orders' ids come as an array: a join would be planned as a scan of the whole table.
  const rows = await database.$queryRaw<{ number: string }[]>`
    WITH overdue AS (
      SELECT order_id FROM accruals
       WHERE status = 'PROCESSING' AND requeue_at <= now()
       ORDER BY requeue_at
       LIMIT ${ORDERS_PER_PAGE}
         FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE accruals a
       SET requeue_at = now() + least(
             greatest((now() - o.uploaded_at) * ${LEASE_PER_AGE}::float8,
                      ${lease.minMs}::float8 * interval '1 millisecond'),
             ${lease.maxMs}::float8 * interval '1 millisecond')
      FROM orders o
     WHERE a.order_id = ANY (ARRAY(SELECT order_id FROM overdue)) AND o.id = a.order_id
    RETURNING o.number`
  return rows.map(({ number }) => number)
}
