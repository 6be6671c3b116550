import { setTimeout as sleep } from "node:timers/promises"
import { addPolls } from "@gofermart/shared/queue/poll-job.ts"
import { type Done, timed } from "../measure/rounds.ts"
import { type Customer, inTurn } from "./customers.ts"
import type { BenchDatabase, Lab, QueueServer } from "./lab.ts"
import { recordNewOrders } from "./orders.ts"

const LOOK_INTERVAL_MS = 20
const FINAL_TIMEOUT_MS = 300_000

/** Orders that wait for the workers until they are let go, so that settling is timed alone. */
export interface Backlog {
  /** Records so many orders and adds their jobs, which no worker can take for now. */
  prepare(count: number): Promise<void>
  /** Lets the workers take them, and resolves when all are final. */
  settle(): Promise<Done>
}

/**
 * The queue itself is held meanwhile, so its workers may run all the time. Their orders are those
 * of one of the customers after another.
 */
export async function makeBacklog(
  lab: Lab,
  database: BenchDatabase,
  server: QueueServer,
  customers: Customer[],
): Promise<Backlog> {
  const ledger = lab.ledger(database)
  const queue = await lab.queue(server)
  const nextCustomer = inTurn(customers)
  let waiting = 0
  return {
    async prepare(count) {
      await queue.pause()
      for await (const numbers of recordNewOrders(ledger, nextCustomer, count)) {
        await addPolls(queue, numbers)
        waiting += numbers.length
      }
    },
    async settle() {
      const operations = waiting
      waiting = 0
      return timed(operations, async () => {
        await queue.resume()
        await untilAllFinal(database)
      })
    },
  }
}

/** Resolves when the database has no order that is not final; fails when that takes too long. */
export async function untilAllFinal({ pool }: BenchDatabase): Promise<void> {
  const ends = performance.now() + FINAL_TIMEOUT_MS
  while (performance.now() < ends) {
    // In this order it is read from requeue's index, which has no other orders, and not from the
    // table, which has all.
    const { rowCount } = await pool.query(
      "SELECT FROM accruals WHERE status = 'PROCESSING' ORDER BY requeue_at LIMIT 1",
    )
    if (rowCount === 0) return
    await sleep(LOOK_INTERVAL_MS)
  }
  throw new Error(`orders were not final after ${FINAL_TIMEOUT_MS} ms`)
}
