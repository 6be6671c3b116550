import { requeueOverdue } from "@gofermart/accrual-worker/requeue/requeue.ts"
import { recordOrders } from "@gofermart/shared/ledger/record-orders.ts"
import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { expect, inject, it } from "vitest"
import { holdTransaction } from "../harness/commits.ts"
import { createDatabase } from "../harness/database.ts"
import { type Cost, explaining, makeWaiting, settleAll } from "../harness/dead-leases.ts"
import { eventually } from "../harness/eventually.ts"
import { createUser } from "../harness/ledger.ts"
import { newNumber } from "../harness/numbers.ts"

const SILENT = createLogger("tests", "silent")
const BUFFERS_MAX = 200
const CLAIM_MAX_MS = 20
/** A processor that is taken away for a moment is nobody's claim. */
const QUICK_PART = 0.95
/** Short, since the test waits for it; an order is to be found in the first round after it. */
const LEASE = { minMs: 2_000, maxMs: 600_000 }
const INTERVAL_MS = 500
const ORDERS_PER_STATEMENT = 100_000

it("52: a backup in which a million orders settle: requeue's claims stay as small and as quick", async () => {
  const test = await createDatabase()
  const queue = await openAccrualQueue(test.url, SILENT)
  const backup = await holdTransaction(
    test.url,
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM accruals",
  )
  let settled = 0
  for (const orders of [200_000, 1_000_000]) {
    for (; settled < orders; settled += ORDERS_PER_STATEMENT) {
      await makeWaiting(test.client, ORDERS_PER_STATEMENT)
      // As autovacuum does at any moment; with what it sees at this one, plans are the worst.
      await test.client.$executeRaw`ANALYZE accruals, orders`
      await settleAll(test.client)
    }
    const costs: Cost[] = []
    const over = new AbortController()
    const database = explaining(test.client, (cost) => costs.push(cost))
    const parts = { database, queue, logger: SILENT }
    const requeuing = requeueOverdue(parts, LEASE, INTERVAL_MS, over.signal)
    await eventually("it has gone through all of them", async () => costs.length > orders / 2_500)
    const number = newNumber()
    const userId = await createUser(test.client)
    await recordOrders(test.client, [{ userId, number }], LEASE.minMs)
    await eventually("the order was requeued", async () => (await queue.count()) > 0)
    over.abort()
    await requeuing
    await queue.drain(true)
    expect(costs.filter(({ buffers }) => buffers > BUFFERS_MAX)).toEqual([])
    const times = costs.map(({ ms }) => ms).toSorted((a, b) => a - b)
    if (inject("load") === "alone") {
      expect(times[Math.floor(times.length * QUICK_PART)]).toBeLessThanOrEqual(CLAIM_MAX_MS)
    }
  }
  await backup.end("COMMIT")
  await queue.close()
  await test.drop()
})
