import { batchedReads } from "@gofermart/shared/db/batched-calls.ts"
import type { Database } from "@gofermart/shared/db/client.ts"
import { POLLED } from "@gofermart/shared/db/statuses.ts"
import type { Batcher } from "@gofermart/shared/runtime/batcher.ts"
import type { List } from "../http/list.ts"
import { ITEMS_PER_SHORT_READ_MAX, type UserTurns } from "../http/user-turns.ts"
import { ORDER_COLUMNS, type OrderRow, showRow } from "./order-view.ts"

/** Short ones, of about a hundred orders each. */
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
 * Users' uploaded orders, newest first. An order that is uploaded again moves to the top. What
 * is short of lists that are asked for at once is read in one statement.
 */
export class OrderLists {
  readonly #database: Database
  readonly #userTurns: UserTurns
  readonly #batcher: Batcher<Read, OrderRow[]>

  constructor(database: Database, userTurns: UserTurns) {
    this.#database = database
    this.#userTurns = userTurns
    this.#batcher = batchedReads(
      "order_lists",
      READS_PER_BATCH_MAX,
      (reads) => readLists(database, reads),
      ({ userId }) => userId,
    )
  }

  /** Its reads reject with `BatcherFullError` under overload. */
  of(userId: bigint): List<OrderRow, OrderKey> {
    return {
      userId,
      read: (after, limit) => this.#read({ userId, after: after ?? BEGINNING, limit }),
      keyOf: (order) => order,
      writeKey: ({ uploadedAtUs, number }) => `${uploadedAtUs}.${number}`,
      readKey(text) {
        const [, time, number = ""] = /^(\d{1,16})\.(\d{1,255})$/.exec(text) ?? []
        return time === undefined ? undefined : { uploadedAtUs: Number(time), number }
      },
      show: showRow,
      readTag: () => this.#userTurns.long(userId, () => readTag(this.#database, userId)),
    }
  }

  async #read(read: Read): Promise<OrderRow[]> {
    if (read.limit <= ITEMS_PER_SHORT_READ_MAX) return this.#batcher.add(read)
    const [orders = []] = await this.#userTurns.long(read.userId, () =>
      readLists(this.#database, [read]),
    )
    return orders
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

/**
 * The account's version, and how many orders are being polled. Every change of the list raises the
 * one, or leaves it and raises the other: settling an order raises the version, whatever its verdict,
 * and whatever brings an order to be polled (a first upload, also of a number that was paid with
 * points before, and another upload) makes one more of them. So no two states have the same.
 */
async function readTag(database: Database, userId: bigint): Promise<string> {
  const [row] = await database.$queryRaw<[{ version: bigint; polled: number }]>`
    SELECT b.version, -- By the index of users and versions, not that of everybody's polled orders.
           (SELECT count(*) FILTER (WHERE a.status IN (${POLLED}))::int
              FROM accruals a WHERE a.user_id = b.user_id AND a.version IS NULL) AS polled
      FROM user_balances b WHERE b.user_id = ${userId}`
  return `${row.version}-${row.polled}`
}
