import type { Database } from "@gofermart/shared/db/client.ts"
import type { List } from "../http/list.ts"
import { type OrderRow, showOrder } from "./order-view.ts"

/** The place of an order in its user's list. */
interface OrderKey {
  /** Since 1970; a Date would lose the microseconds. */
  uploadedAtUs: bigint
  number: string
}

type ListedOrder = OrderRow & OrderKey

/** Later than any upload. */
const BEGINNING: OrderKey = { uploadedAtUs: 2n ** 52n, number: "" }

/** A user's uploaded orders, newest first. An order that is uploaded again moves to the top. */
export function orderList(database: Database, userId: bigint): List<ListedOrder, OrderKey> {
  return {
    read: (after, limit) => readOrders(database, userId, after ?? BEGINNING, limit),
    keyOf: (order) => order,
    writeKey: ({ uploadedAtUs, number }) => `${uploadedAtUs}.${number}`,
    readKey(text) {
      const [, time, number = ""] = /^(\d{1,16})\.(\d{1,255})$/.exec(text) ?? []
      return time === undefined ? undefined : { uploadedAtUs: BigInt(time), number }
    },
    show: showOrder,
    readTag: () => readTag(database, userId),
  }
}

function readOrders(
  database: Database,
  userId: bigint,
  { uploadedAtUs, number }: OrderKey,
  limit: number,
): Promise<ListedOrder[]> {
  // The first condition is the index's, the second decides between orders of the same microsecond.
  return database.$queryRaw<ListedOrder[]>`
    SELECT o.number, a.status::text, a.value, o.uploaded_at AS "uploadedAt",
           (extract(epoch FROM o.uploaded_at) * 1000000)::bigint AS "uploadedAtUs"
      FROM orders o JOIN accruals a ON a.order_id = o.id
     WHERE o.user_id = ${userId}
       AND o.uploaded_at <= 'epoch'::timestamptz + ${uploadedAtUs}::bigint * interval '1 microsecond'
       AND (o.uploaded_at < 'epoch'::timestamptz + ${uploadedAtUs}::bigint * interval '1 microsecond'
            OR o.number < ${number})
     ORDER BY o.uploaded_at DESC, o.number DESC
     LIMIT ${limit}`
}

/** An upload changes no version, so this looks at every order. */
async function readTag(database: Database, userId: bigint): Promise<string> {
  const [row] = await database.$queryRaw<[{ tag: string }]>`
    SELECT concat(count(*), '-',
                  sum(hashtextextended(concat(o.number, a.status, o.uploaded_at), 0))) AS tag
      FROM orders o JOIN accruals a ON a.order_id = o.id
     WHERE o.user_id = ${userId} AND o.uploaded_at IS NOT NULL`
  return row.tag
}
