import { setTimeout as sleep } from "node:timers/promises"
import { type Database, sql } from "@gofermart/shared/db/client.ts"
import { atUs, boundedInstant, usOf } from "@gofermart/shared/db/instants.ts"
import { POLLED } from "@gofermart/shared/db/statuses.ts"
import { queuePauseMs } from "@gofermart/shared/queue/backend.ts"
import { PASSED_OVER_AFTER_MS, pollsOf } from "@gofermart/shared/queue/fair-share.ts"
import { type AccrualQueue, addPollsOf } from "@gofermart/shared/queue/poll-job.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import { Counter } from "prom-client"
import { moveUpPassedOver } from "./move-up.ts"
import { LeaseSections, ORDERS_PER_SECTION, type Place, type Section } from "./sections.ts"

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
/** Of those that were looked at before. */
const SECTIONS_PER_ROUND = 20
/** At the beginning; what is older is one section. */
const ORDERS_IN_SECTIONS_MAX = 10_000_000
/** The next lease is this part of the order's age, within the configured bounds. */
const LEASE_PER_AGE = 1 / 4

export interface Lease {
  minMs: number
  maxMs: number
}

interface RequeueParts {
  database: Database
  queue: AccrualQueue
  logger: Logger
}

/**
 * Puts back the jobs of orders whose lease is over, round after round, until the signal aborts.
 *
 * The queue is a hint: it may have lost jobs, or never got them. Adding the job of an order whose
 * job is there does nothing, so this need not know which. A job that failed stays as it is, for the
 * operator.
 */
export async function requeueOverdue(
  parts: RequeueParts,
  lease: Lease,
  intervalMs: number,
  signal: AbortSignal,
): Promise<void> {
  const sections = new LeaseSections()
  while (!signal.aborted) {
    try {
      await runRound(parts, sections, lease, signal)
    } catch (error) {
      failedRounds.inc()
      parts.logger.warn({ err: error }, "requeue did not finish its round")
    }
    // Workers started together drift apart.
    await sleep(intervalMs * (0.75 + Math.random() / 2), undefined, { signal }).catch(() => {})
  }
}

async function runRound(
  parts: RequeueParts,
  sections: LeaseSections,
  lease: Lease,
  signal: AbortSignal,
): Promise<void> {
  // Throws while the queue is away: claiming then would put orders off for a lease for nothing.
  await queuePauseMs(parts.queue)
  await divide(parts.database, sections, lease, signal)
  let pages = 0
  while (pages < PAGES_PER_ROUND_MAX && !signal.aborted) {
    const section = sections.unseen
    const page = await requeuePage(parts, section, lease)
    const last = page.at(-1)
    if (last !== undefined) {
      pages += 1
      sections.claimed(page.length, last)
    }
    if (page.length === ORDERS_PER_PAGE) continue
    if (section.upTo === undefined) break
    sections.lookedAt(section.upTo)
  }
  let earlier = Math.min(SECTIONS_PER_ROUND, sections.earlier)
  while (earlier > 0 && pages < PAGES_PER_ROUND_MAX && !signal.aborted) {
    const section = sections.nextEarlier
    const page = await requeuePage(parts, section, lease)
    const last = page.at(-1)
    if (last !== undefined && page.length === ORDERS_PER_PAGE) {
      pages += 1
      sections.claimedEarlier(page.length, last)
    } else {
      earlier -= 1
      sections.lookedAtEarlier(section.upTo)
    }
  }
}

/** Divides what has become overdue into sections that a claim can read. */
async function divide(
  database: Database,
  sections: LeaseSections,
  lease: Lease,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const next = await findSectionEnd(database, sections.furthestOrderId, lease)
    const { nowUs, leaseEndUs, orderId, untilOrderId } = next
    const { lastEnd } = sections
    if (lastEnd !== undefined && nowUs < lastEnd.leaseEndUs) sections.forget()
    else if (leaseEndUs !== null && orderId !== null) {
      if (leaseEndUs > nowUs) return
      sections.endAt({ leaseEndUs, orderId })
    } else if (untilOrderId === null) return
    else sections.passBy(untilOrderId)
  }
}

async function requeuePage(
  { database, queue, logger }: RequeueParts,
  section: Section,
  lease: Lease,
): Promise<Claimed[]> {
  const page = await database.$queryRaw<Claimed[]>(claimOverdue(section, lease))
  if (page.length > 0) {
    await addPollsOf(queue, pollsOf(page))
    requeuedOrders.inc(page.length)
    logger.info({ orders: page.length }, "requeued overdue orders")
    const old = page.filter(({ isOld }) => isOld).map(({ number }) => number)
    await moveUpPassedOver({ queue, logger }, old, Date.now())
  }
  return page
}

/** With the lease that was over. */
interface Claimed extends Place {
  number: string
  userId: bigint
  /** It may have been passed over for long. */
  isOld: boolean
}

interface SectionEnd {
  nowUs: bigint
  /** Of the first order after that many; null when the next ids are nobody's. */
  leaseEndUs: bigint | null
  orderId: bigint | null
  /** The last of the next ids; null when it is not given yet. */
  untilOrderId: bigint | null
}

/**
 * The place of an order so many ids further on.
 *
 * Between the places of orders that are so many ids apart, in the order of their leases, there are about as
 * many first leases, whatever became of the orders: a settled one keeps its lease, and one that was put off
 * has had one of the shortest.
 */
async function findSectionEnd(
  database: Database,
  furthestOrderId: bigint,
  { minMs }: Lease,
): Promise<SectionEnd> {
  // Bounded on both sides, or a plan may read all that come after it.
  const [row] = await database.$queryRaw<[SectionEnd]>(sql`
    SELECT (extract(epoch FROM now()) * 1000000)::bigint AS "nowUs",
           ${usOf(sql`lease_end`)} AS "leaseEndUs",
           order_id AS "orderId",
           CASE WHEN first_id + ${ORDERS_PER_SECTION} <= last_id
                THEN first_id + ${ORDERS_PER_SECTION} END AS "untilOrderId"
      FROM (SELECT max(order_id) AS last_id,
                   greatest(${furthestOrderId + BigInt(ORDERS_PER_SECTION)}::bigint,
                            max(order_id) - ${ORDERS_IN_SECTIONS_MAX}::bigint) AS first_id
              FROM accruals) AS further
      LEFT JOIN LATERAL (
             SELECT order_id,
                    least(requeue_at,
                          ${boundedInstant(sql`created_at`)} + ${minMs} * interval '1 millisecond')
                      AS lease_end
               FROM accruals
              WHERE order_id BETWEEN first_id AND first_id + ${ORDERS_PER_SECTION}
              ORDER BY order_id
              LIMIT 1) AS one ON true`)
  return row
}

/**
 * Takes a page of a section's orders whose lease is over, the longest overdue first, and gives each its
 * next lease in the same statement. Other workers skip the rows that one has locked.
 */
function claimOverdue(section: Section, lease: Lease) {
  // The orders' ids come as an array: a join would be planned as a scan of the whole table. A lease
  // has no days in it, which the session's time zone could make longer or shorter than 24 hours. Before
  // release 17 PostgreSQL does not subtract an infinite instant, and the whole page would fail.
  return sql`
    WITH overdue AS (
      SELECT order_id, requeue_at FROM accruals
       WHERE status IN (${POLLED}) AND ${isOverdueBetween(section)}
       ORDER BY requeue_at, order_id
       LIMIT ${ORDERS_PER_PAGE}
         FOR NO KEY UPDATE SKIP LOCKED
    ), claimed AS (
      UPDATE accruals a
         SET requeue_at = now() + least(
               greatest(extract(epoch FROM now() - ${boundedInstant(sql`o.uploaded_at`)})::float8
                          * 1000 * ${LEASE_PER_AGE},
                        ${lease.minMs}),
               ${lease.maxMs}) * interval '1 millisecond'
        FROM orders o
       WHERE a.order_id = ANY (ARRAY(SELECT order_id FROM overdue)) AND o.id = a.order_id
      RETURNING o.number, o.id, o.user_id,
                o.uploaded_at < now() - ${PASSED_OVER_AFTER_MS} * interval '1 millisecond' AS is_old
    )
    SELECT c.number, c.user_id AS "userId", c.is_old AS "isOld", d.order_id AS "orderId",
           ${usOf(sql`d.requeue_at`)} AS "leaseEndUs"
      FROM overdue d
      JOIN claimed c ON c.id = d.order_id
     ORDER BY d.requeue_at, d.order_id`
}

/**
 * Whether an order of `accruals` is overdue and in a section, which ended with a lease that was over.
 *
 * Nothing but pairs: a condition of `order_id` alone can be planned as a scan of all orders by their ids,
 * and one more of `requeue_at` keeps PostgreSQL 18 from ending its scan inside an instant. Before release
 * 18 it never does: of an instant in which many leases end it then reads the rest of the index.
 */
function isOverdueBetween({ after, upTo }: Section) {
  const isAfter = after === undefined ? sql`true` : sql`(requeue_at, order_id) > ${pairOf(after)}`
  const isOver =
    upTo === undefined ? sql`requeue_at <= now()` : sql`(requeue_at, order_id) <= ${pairOf(upTo)}`
  return sql`${isAfter} AND ${isOver}`
}

function pairOf({ leaseEndUs, orderId }: Place) {
  return sql`(${atUs(leaseEndUs)}, ${orderId}::bigint)`
}
