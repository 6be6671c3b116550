import { setTimeout as sleep } from "node:timers/promises"
import { requeueOverdue } from "@gofermart/accrual-worker/requeue/requeue.ts"
import type { Database } from "@gofermart/shared/db/client.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import { type Done, timed } from "../measure/rounds.ts"
import type { BenchDatabase, Lab } from "./lab.ts"

/** The shipped defaults. */
const LEASE = { minMs: 30_000, maxMs: 600_000 }
const INTERVAL_MS = 5_000
const LOOK_INTERVAL_MS = 5
const TIMEOUT_MS = 120_000

/** Makes every order that waits overdue, the first one for the longest time. */
export async function makeOverdue({ pool }: BenchDatabase): Promise<void> {
  await pool.query(
    `UPDATE accruals
        SET requeue_at = now() - interval '1 hour' + order_id * interval '1 microsecond'
      WHERE status = 'PROCESSING'`,
  )
  await vacuumOrders(pool)
}

/** Takes out every order that waits. */
export async function deleteWaiting({ pool }: BenchDatabase): Promise<void> {
  await pool.query(
    `WITH gone AS (DELETE FROM accruals WHERE status = 'PROCESSING' RETURNING order_id)
     DELETE FROM orders WHERE id IN (SELECT order_id FROM gone)`,
  )
  await vacuumOrders(pool)
}

/** Left to decide, a VACUUM would clean a small table's indexes after this and a large one's not. */
async function vacuumOrders(pool: BenchDatabase["pool"]): Promise<void> {
  await pool.query("VACUUM (INDEX_CLEANUP ON) orders, accruals")
}

/** Runs the shipped requeue until the queue, which is empty, has so many jobs. */
export async function requeueAll(
  lab: Lab,
  parts: { database: Database; queue: AccrualQueue },
  orders: number,
): Promise<Done> {
  const over = new AbortController()
  const requeuing = requeueOverdue(
    { ...parts, logger: lab.logger },
    LEASE,
    INTERVAL_MS,
    over.signal,
  )
  try {
    return await timed(orders, () => untilCount(parts.queue, orders))
  } finally {
    over.abort()
    await requeuing
  }
}

async function untilCount(queue: AccrualQueue, orders: number): Promise<void> {
  const ends = performance.now() + TIMEOUT_MS
  while ((await queue.count()) < orders) {
    if (performance.now() > ends) {
      throw new Error(`${orders} orders were not put back after ${TIMEOUT_MS} ms`)
    }
    await sleep(LOOK_INTERVAL_MS)
  }
}
