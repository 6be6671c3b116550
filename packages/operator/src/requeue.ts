import { type Database, sql } from "@gofermart/shared/db/client.ts"
import { atUs, usOf } from "@gofermart/shared/db/instants.ts"
import { POLLED } from "@gofermart/shared/db/statuses.ts"
import { POLLED_STATUSES, STATUS_RULES } from "@gofermart/shared/domain/accrual-status.ts"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { recordOrders } from "@gofermart/shared/ledger/record-orders.ts"
import { pollsOf } from "@gofermart/shared/queue/fair-share.ts"
import {
  type AccrualQueue,
  addPolls,
  addPollsOf,
  findPoll,
} from "@gofermart/shared/queue/poll-job.ts"
import { SingleBar } from "cli-progress"
import { type Backends, CONNECT_TIMEOUT_MS, EXIT_NOT_RIGHT, say } from "./command-line/backends.ts"

const ORDERS_PER_PAGE = 1_000
/** More than ten million orders take. */
const REQUEUE_ALL_MAX_MS = 3_600_000

/** Has one order polled now, whatever became of its job. */
export async function requeueOrder(backends: Backends, number: OrderNumber): Promise<number> {
  const order = await backends.database.order.findUnique({
    where: { number },
    include: { accrual: true },
  })
  const standing = order?.accrual?.status
  if (order === null || standing === undefined) {
    say(`There is no order ${number}.`)
    return EXIT_NOT_RIGHT
  }
  const { isListed, isFinal, isPolled } = STATUS_RULES[standing]
  if (!isListed) {
    say(`Nobody has uploaded order ${number}: a withdrawal named it.`)
    return EXIT_NOT_RIGHT
  }
  if (isFinal) {
    say(`Order ${number} is ${standing}, which is final: there is nothing to poll.`)
    return EXIT_NOT_RIGHT
  }
  const queue = await backends.queue()
  if (isPolled) {
    say(await putBack(queue, number))
    return 0
  }
  // What its owner's uploading it again would do.
  const upload = { userId: order.userId, number }
  const [outcome] = await recordOrders(backends.database, [upload], backends.leaseMs)
  await addPolls(queue, [number])
  if (outcome !== "accepted") {
    say(`Order ${number} was opened or settled by somebody else meanwhile.`)
    return 0
  }
  say(`Order ${number} was ${standing}; it is open again, and will be polled.`)
  return 0
}

async function putBack(queue: AccrualQueue, number: OrderNumber): Promise<string> {
  const job = await findPoll(queue, number)
  if (job === undefined) {
    await addPolls(queue, [number])
    return `Order ${number} had no job; it has one now.`
  }
  const state = await job.getState()
  try {
    if (state === "failed") {
      await job.retry()
      return `The job of order ${number} had failed; it is tried again.`
    }
    if (state === "prioritized") {
      await job.changePriority({ priority: 0 })
      return `The job of order ${number} waited its turn; it goes before those of others now.`
    }
    if (state === "delayed") {
      await job.changePriority({ priority: 0 })
      await job.promote()
      return `The job of order ${number} was put off; it is due now.`
    }
  } catch (error) {
    // A worker, or another operator, was quicker.
    if ((await job.getState()) === state) throw error
  }
  return `The job of order ${number} is ${await job.getState()}: it is polled as soon as may be.`
}

/**
 * Adds the jobs of all unfinished orders where they are missing, and tries the failed ones again. While it
 * runs, a minute for a million orders, vacuum leaves what has ended since alone; an order that is settled
 * meanwhile is polled once more, for nothing.
 */
export async function requeueAll(backends: Backends): Promise<number> {
  const queue = await backends.queue()
  const failed = await queue.getFailedCount()
  // A worker's requeue moves orders within the index meanwhile: only in a snapshot each comes once.
  const put = await backends.database.$transaction((snapshot) => addAllPolls(snapshot, queue), {
    isolationLevel: "RepeatableRead",
    maxWait: CONNECT_TIMEOUT_MS,
    timeout: REQUEUE_ALL_MAX_MS,
  })
  if (failed > 0) await queue.retryJobs({ state: "failed" })
  say(`${put} unfinished orders have a job; ${failed} failed jobs are tried again.`)
  return 0
}

/** Resolves with how many unfinished orders have a job now. */
async function addAllPolls(snapshot: Snapshot, queue: AccrualQueue): Promise<number> {
  const bar = new SingleBar({ format: "[{bar}] {value} of {total} orders", noTTYOutput: true })
  bar.start(await snapshot.accrual.count({ where: { status: { in: POLLED_STATUSES } } }), 0)
  let put = 0
  for await (const page of unfinishedOrders(snapshot)) {
    await addPollsOf(queue, pollsOf(page))
    put += page.length
    bar.update(put)
  }
  bar.stop()
  return put
}

type Snapshot = Parameters<Parameters<Database["$transaction"]>[0]>[0]

interface Unfinished {
  number: string
  userId: bigint
  orderId: bigint
  /** Since 1970; with fewer digits a page would come again and again. */
  requeueAtUs: bigint
}

/** All unfinished orders, in pages, by requeue's index. */
async function* unfinishedOrders(snapshot: Snapshot): AsyncGenerator<Unfinished[]> {
  let afterLast = sql`true`
  for (;;) {
    // A join could be planned as a scan of the whole table of orders.
    const page = await snapshot.$queryRaw<Unfinished[]>`
      SELECT (SELECT number FROM orders WHERE id = order_id) AS number, order_id AS "orderId",
             user_id AS "userId", ${usOf(sql`requeue_at`)} AS "requeueAtUs"
        FROM accruals
       WHERE status IN (${POLLED}) AND ${afterLast}
       ORDER BY requeue_at, order_id
       LIMIT ${ORDERS_PER_PAGE}`
    yield page
    const last = page.at(-1)
    if (last === undefined || page.length < ORDERS_PER_PAGE) return
    afterLast = sql`(requeue_at, order_id) > (${atUs(last.requeueAtUs)}, ${last.orderId})`
  }
}
