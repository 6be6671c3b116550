import { type Database, sql } from "@gofermart/shared/db/client.ts"
import { atUs, usOf } from "@gofermart/shared/db/instants.ts"
import { SETTLED } from "@gofermart/shared/db/statuses.ts"
import type { SettledStatus } from "@gofermart/shared/domain/accrual-status.ts"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { type Points, pointsFromHundredths } from "@gofermart/shared/domain/points.ts"

const ORDERS_PER_PAGE = 100

/** Times of orders' settling, the end excluded, in microseconds since 1970. */
export interface SettledRange {
  from: bigint
  to: bigint
}

export interface SettledOrder {
  number: OrderNumber
  status: SettledStatus
  /** Only a PROCESSED order has them. */
  points: Points | null
  /** Since 1970; with fewer digits a page would come again and again. */
  settledAtUs: bigint
}

interface Row extends Omit<SettledOrder, "points"> {
  orderId: bigint
  hundredths: bigint | null
}

/** How many orders were settled in the range. */
export async function countSettledOrders(
  database: Database,
  { from, to }: SettledRange,
): Promise<number> {
  const [row] = await database.$queryRaw<{ orders: number }[]>`
    SELECT count(*)::int AS orders FROM accruals
     WHERE status IN (${SETTLED})
       AND updated_at >= ${atUs(from)} AND updated_at < ${atUs(to)}`
  return row?.orders ?? 0
}

/**
 * The orders that were settled in the range, by the time of it, each as it stood when its page was
 * read. Only an UNREGISTERED one can stand otherwise later.
 */
export async function* settledOrders(
  database: Database,
  { from, to }: SettledRange,
): AsyncGenerator<SettledOrder> {
  let last: Pick<Row, "orderId" | "settledAtUs"> = { orderId: 0n, settledAtUs: from }
  for (;;) {
    // The index says which blocks have times of the range; comparing rows alone would not use it.
    const page = await database.$queryRaw<Row[]>`
      SELECT (SELECT number FROM orders WHERE id = p.order_id) AS number,
             p.order_id AS "orderId", p.status::text, (p.value * 100)::bigint AS hundredths,
             ${usOf(sql`p.updated_at`)} AS "settledAtUs"
        FROM (SELECT * FROM accruals
               WHERE status IN (${SETTLED})
                 AND updated_at >= ${atUs(last.settledAtUs)} AND updated_at < ${atUs(to)}
                 AND (updated_at, order_id) > (${atUs(last.settledAtUs)}, ${last.orderId})
               ORDER BY updated_at, order_id
               LIMIT ${ORDERS_PER_PAGE}) p
       ORDER BY p.updated_at, p.order_id`
    for (const { number, status, hundredths, settledAtUs } of page) {
      const points = hundredths === null ? null : pointsFromHundredths(hundredths)
      yield { number, status, points, settledAtUs }
    }
    if (page.length < ORDERS_PER_PAGE) return
    last = page.at(-1) ?? last
  }
}
