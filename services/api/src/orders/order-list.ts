import { batchedReads } from "@gofermart/shared/db/batched-reads.ts"
import type { Database } from "@gofermart/shared/db/client.ts"
import type { Batcher } from "@gofermart/shared/runtime/batcher.ts"
import type { List } from "../http/list.ts"
import { ORDER_COLUMNS, type OrderRow, showRow } from "./order-view.ts"

/** Of up to a thousand orders each. */
const READS_PER_BATCH_MAX = 16

/** The place of an order in its user's list. */
type OrderKey = Pick<OrderRow, "uploadedAtUs" | "number">

interface Read {
  userId: bigint
  after: OrderKey
  limit: number
}

/** Later than any upload. */
const BEGINNING: OrderKey = { uploadedAtUs: 2 ** 52, number: "" }

/**
 * Users' uploaded orders, newest first. An order that is uploaded again moves to the top. Lists that
 * are asked for at once are read in one statement.
 */
export class OrderLists {
  readonly #database: Database
  readonly #batcher: Batcher<Read, OrderRow[]>

  constructor(database: Database) {
    this.#database = database
    this.#batcher = batchedReads("order_lists", READS_PER_BATCH_MAX, (reads) =>
      readLists(database, reads),
    )
  }

  /** Its reads reject with `BatcherFullError` under overload. */
  of(userId: bigint): List<OrderRow, OrderKey> {
    return {
      read: (after, limit) => this.#batcher.add({ userId, after: after ?? BEGINNING, limit }),
      keyOf: (order) => order,
      writeKey: ({ uploadedAtUs, number }) => `${uploadedAtUs}.${number}`,
      readKey(text) {
        const [, time, number = ""] = /^(\d{1,16})\.(\d{1,255})$/.exec(text) ?? []
        return time === undefined ? undefined : { uploadedAtUs: Number(time), number }
      },
      show: showRow,
      readTag: () => readTag(this.#database, userId),
    }
  }
}

/** Each list comes as one text, since every row and column that passes the client costs time. */
async function readLists(database: Database, reads: Read[]): Promise<OrderRow[][]> {
  const userIds = reads.map(({ userId }) => userId)
  const times = reads.map(({ after }) => BigInt(after.uploadedAtUs))
  const numbers = reads.map(({ after }) => after.number)
  const limits = reads.map(({ limit }) => limit)
  // The first condition is the index's, the second decides between orders of the same microsecond.
  const rows = await database.$queryRaw<{ orders: string | null }[]>`
    SELECT (SELECT json_agg(l)::text
              FROM (SELECT ${ORDER_COLUMNS}
                      FROM orders o JOIN accruals a ON a.order_id = o.id
                     WHERE o.user_id = i.user_id
                       AND o.uploaded_at <= 'epoch'::timestamptz + i.us * interval '1 microsecond'
                       AND (o.uploaded_at < 'epoch'::timestamptz + i.us * interval '1 microsecond'
                            OR o.number < i.number)
                     ORDER BY o.uploaded_at DESC, o.number DESC
                     LIMIT i.items_max) l) AS orders
      FROM unnest(${userIds}::bigint[], ${times}::bigint[], ${numbers}::text[], ${limits}::int[])
           WITH ORDINALITY AS i (user_id, us, number, items_max, position)
     ORDER BY i.position`
  return rows.map(({ orders }) => (orders === null ? [] : (JSON.parse(orders) as OrderRow[])))
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
