import type { Database } from "@gofermart/shared/db/client.ts"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { type Points, pointsFromHundredths } from "@gofermart/shared/domain/points.ts"

const ORDERS_PER_PAGE = 100

/** Times of orders' settling, the end excluded, in ISO 8601 with microseconds. */
export interface SettledRange {
  from: string
  to: string
}

export interface SettledOrder {
  number: OrderNumber
  status: "PROCESSED" | "INVALID" | "UNREGISTERED"
  /** Only a PROCESSED order has them. */
  points: Points | null
  /** As text: a `Date` has no microseconds, and a page would come again and again. */
  settledAt: string
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
     WHERE status IN ('PROCESSED', 'INVALID', 'UNREGISTERED')
       AND updated_at >= ${from}::timestamptz AND updated_at < ${to}::timestamptz`
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
  let last: Pick<Row, "orderId" | "settledAt"> = { orderId: 0n, settledAt: from }
  for (;;) {
    // The index says which blocks have times of the range; comparing rows alone would not use it.
    const page = await database.$queryRaw<Row[]>`
      SELECT (SELECT number FROM orders WHERE id = p.order_id) AS number,
             p.order_id AS "orderId", p.status::text, (p.value * 100)::bigint AS hundredths,
             to_char(p.updated_at AT TIME ZONE 'UTC',
                     'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "settledAt"
        FROM (SELECT * FROM accruals
               WHERE status IN ('PROCESSED', 'INVALID', 'UNREGISTERED')
                 AND updated_at >= ${last.settledAt}::timestamptz
                 AND updated_at < ${to}::timestamptz
                 AND (updated_at, order_id) > (${last.settledAt}::timestamptz, ${last.orderId})
               ORDER BY updated_at, order_id
               LIMIT ${ORDERS_PER_PAGE}) p
       ORDER BY p.updated_at, p.order_id`
    for (const { number, status, hundredths, settledAt } of page) {
      const points = hundredths === null ? null : pointsFromHundredths(hundredths)
      yield { number, status, points, settledAt }
    }
    if (page.length < ORDERS_PER_PAGE) return
    last = page.at(-1) ?? last
  }
}
