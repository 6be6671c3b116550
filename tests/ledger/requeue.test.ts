import { requeueOverdue } from "@gofermart/accrual-worker/requeue/requeue.ts"
import { ORDERS_PER_SECTION } from "@gofermart/accrual-worker/requeue/sections.ts"
import { sql } from "@gofermart/shared/db/client.ts"
import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import { type AccrualQueue, findPoll } from "@gofermart/shared/queue/poll-job.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { holdTransaction } from "../harness/commits.ts"
import { createDatabase, type TestDatabase } from "../harness/database.ts"
import {
  type Cost,
  explaining,
  makeWaiting,
  settleAll,
  watching,
  withoutLeaseCheck,
} from "../harness/dead-leases.ts"
import { eventually } from "../harness/eventually.ts"
import { databaseNow, readInstant } from "../harness/instants.ts"
import { createUser, recordOne, settleOne } from "../harness/ledger.ts"
import { newNumber } from "../harness/numbers.ts"

const SILENT = createLogger("tests", "silent")
const LEASE = { minMs: 30_000, maxMs: 600_000 }
const INTERVAL_MS = 20
const BUFFERS_MAX = 200

describe("requeue", () => {
  let test: TestDatabase
  let queue: AccrualQueue
  let over: AbortController
  let running: Promise<void>
  beforeAll(async () => {
    test = await createDatabase()
    queue = await openAccrualQueue(test.queueUrl ?? test.url, SILENT)
  })
  afterAll(async () => {
    await queue.close()
    await test.drop()
  })
  beforeEach(() => {
    over = new AbortController()
    running = Promise.resolve()
  })
  afterEach(async () => {
    over.abort()
    await running
    await settleAll(test.client)
    await queue.drain(true)
  })

  const start = (own: Partial<Parameters<typeof requeueOverdue>[0]> = {}) => {
    const parts = { database: test.client, queue, logger: SILENT, ...own }
    running = requeueOverdue(parts, LEASE, INTERVAL_MS, over.signal)
  }
  const overdue = async () => {
    const number = newNumber()
    const orderId = await recordOne(test.client, await createUser(test.client), number)
    await test.client.$executeRaw`
      UPDATE accruals SET requeue_at = now() - interval '1 minute' WHERE order_id = ${orderId}`
    return { number, orderId }
  }
  const leaseOf = (orderId: bigint) =>
    readInstant(test.client, sql`(SELECT requeue_at FROM accruals WHERE order_id = ${orderId})`)
  const writeLease = (orderId: bigint, instant: string) =>
    test.client.$executeRaw`
      UPDATE accruals SET requeue_at = ${instant}::text::timestamptz WHERE order_id = ${orderId}`
  const overdueOnes = () =>
    test.client.$queryRaw<[{ orders: number }]>`
      SELECT count(*)::int AS orders FROM accruals
       WHERE status = 'PROCESSING' AND requeue_at <= now()`.then(([{ orders }]) => orders)
  const untilRequeued = (number: Awaited<ReturnType<typeof overdue>>["number"]) =>
    eventually(
      `order ${number} has a job`,
      async () => (await findPoll(queue, number)) !== undefined,
    )

  it("adds the jobs of the orders whose lease is over, and of no others", async () => {
    const settled = await overdue()
    await settleOne(test.client, settled.orderId, { kind: "INVALID" })
    const fresh = newNumber()
    await recordOne(test.client, await createUser(test.client), fresh)
    const { number } = await overdue()
    start()
    await untilRequeued(number)
    expect(await queue.count()).toBe(1)
  })

  it.each([
    ["a new one", 0, LEASE.minMs],
    ["one of eight minutes", 8 * 60_000, 2 * 60_000],
    ["one of a day", 86_400_000, LEASE.maxMs],
  ])("gives an order its next lease: %s", async (_which, ageMs, leaseMs) => {
    const { number, orderId } = await overdue()
    await test.client.$executeRaw`
      UPDATE orders SET uploaded_at = now() - ${ageMs}::int * interval '1 millisecond'
       WHERE id = ${orderId}`
    const before = await databaseNow(test.client)
    start()
    await untilRequeued(number)
    const waitedUs = (await databaseNow(test.client)) - before
    const leaseUs = ((await leaseOf(orderId)) ?? 0) - before
    expect(leaseUs).toBeGreaterThanOrEqual(leaseMs * 1_000)
    // It grows with the age, so by a quarter of what has passed as well.
    expect(leaseUs).toBeLessThanOrEqual(leaseMs * 1_000 + 1.25 * waitedUs)
  })

  it("passes over an order that somebody holds, and comes back to it", async () => {
    const [held, free] = [await overdue(), await overdue()]
    const holder = await holdTransaction(
      test.url,
      "SELECT FROM accruals WHERE order_id = $1 FOR UPDATE",
      [held.orderId],
    )
    start()
    await untilRequeued(free.number)
    expect(await findPoll(queue, held.number)).toBeUndefined()
    await holder.end("ROLLBACK")
    await untilRequeued(held.number)
  })

  it("claims nothing while the queue is away", async () => {
    const { orderId } = await overdue()
    const lease = await leaseOf(orderId)
    const queues = await createDatabase()
    const away = await openAccrualQueue(queues.queueUrl ?? queues.url, SILENT)
    await queues.drop()
    let failedRounds = 0
    const logger = createLogger("tests", "silent")
    logger.warn = () => void (failedRounds += 1)
    start({ queue: away, logger })
    await eventually("two rounds have failed", async () => failedRounds >= 2)
    over.abort()
    await running
    await away.close()
    expect(await leaseOf(orderId)).toBe(lease)
  })

  it.each([
    ["nothing is known of the tables", "SELECT 1"],
    ["the tables were analyzed while all were waiting", "ANALYZE accruals, orders"],
  ])(
    "reads little, however many orders were settled since a backup began: %s",
    async (_how, analyze) => {
      await makeWaiting(test.client, 30_000)
      await test.client.$executeRawUnsafe(analyze)
      const backup = await holdTransaction(
        test.url,
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM accruals",
      )
      await settleAll(test.client)
      const costs: Cost[] = []
      start({ database: explaining(test.client, (cost) => costs.push(cost)) })
      await eventually("it has looked at all, more than once", async () => costs.length > 30)
      // Among those that it has looked at.
      const { number, orderId } = await overdue()
      await test.client.$executeRaw`
        UPDATE accruals SET requeue_at = (SELECT min(requeue_at) FROM accruals)
         WHERE order_id = ${orderId}`
      await untilRequeued(number)
      await backup.end("COMMIT")
      const dear = costs.filter(({ buffers }) => buffers > BUFFERS_MAX)
      expect(dear).toEqual([])
    },
  )

  // The first two only where they were written before the CHECK.
  it.each(["-infinity", "4713-01-01 00:00:00Z BC", "0001-01-01 00:00:00Z", "1969-07-20 20:17:40Z"])(
    "finds an order whose lease was over at any time, and the others beside it: %s",
    async (instant) => {
      const [first, other] = [await overdue(), await overdue()]
      await withoutLeaseCheck(test.client, () => writeLease(first.orderId, instant))
      start()
      await untilRequeued(first.number)
      await untilRequeued(other.number)
      expect(await overdueOnes()).toBe(0)
    },
  )

  // Of the first two, PostgreSQL 16 and before cannot say how long ago they were.
  it.each(["infinity", "-infinity", "294276-12-31 23:59:59Z", "4713-01-01 00:00:00Z BC"])(
    "finds an order that was uploaded at any time, and the others beside it: %s",
    async (instant) => {
      const [first, other] = [await overdue(), await overdue()]
      await test.client.$executeRaw`
        UPDATE orders SET uploaded_at = ${instant}::text::timestamptz WHERE id = ${first.orderId}`
      start()
      await untilRequeued(first.number)
      await untilRequeued(other.number)
      expect(await overdueOnes()).toBe(0)
    },
  )

  it.each([
    ["an order that was made at the end of time", "created_at = '294276-12-31 23:59:59Z'"],
    ["a settled order with such a lease", "requeue_at = '-infinity'"],
  ])("is not stopped by %s, where a section ends", async (_what, change) => {
    await makeWaiting(test.client, ORDERS_PER_SECTION)
    await settleAll(test.client)
    await test.client.$executeRawUnsafe(
      `UPDATE accruals SET ${change}
        WHERE order_id =
              (SELECT min(order_id) FROM accruals WHERE order_id >= ${ORDERS_PER_SECTION})`,
    )
    const { number } = await overdue()
    start()
    await untilRequeued(number)
    expect(await overdueOnes()).toBe(0)
  })

  it.each(["-infinity", "infinity", "294276-12-31 00:00:00Z"])(
    "has no such lease of an order that is polled: %s",
    async (instant) => {
      const { orderId } = await overdue()
      await expect(writeLease(orderId, instant)).rejects.toThrow("accruals_requeue_at_check")
    },
  )

  it("goes on with an earlier section as long as its pages are full", async () => {
    await makeWaiting(test.client, ORDERS_PER_SECTION + 200)
    // Of each round, when it has claimed some.
    let rounds = 0
    const claiming = new Set<number>()
    const logger = createLogger("tests", "silent")
    logger.info = () => void claiming.add(rounds)
    const database = watching(test.client, async ({ text }) => {
      if (text.includes("untilOrderId")) rounds += 1
    })
    start({ database, logger })
    await eventually("it has claimed them", async () => (await overdueOnes()) === 0)
    claiming.clear()
    await test.client.$executeRaw`
      UPDATE accruals SET requeue_at = '2001-01-01 00:00:00Z'
       WHERE status = 'PROCESSING' AND order_id % 5 <> 0`
    await eventually("it has claimed them again", async () => (await overdueOnes()) === 0)
    // One may have been under way.
    expect(claiming.size).toBeLessThanOrEqual(2)
  })
})
