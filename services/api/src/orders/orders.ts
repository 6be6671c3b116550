import { batchedReads } from "@gofermart/shared/db/batched-calls.ts"
import type { Database } from "@gofermart/shared/db/client.ts"
import type { Batcher } from "@gofermart/shared/runtime/batcher.ts"
import { ORDER_COLUMNS, type OrderRow } from "./order-view.ts"

const ORDERS_PER_BATCH_MAX = 256

interface Wanted {
  userId: bigint
  number: string
}

/** Reads single orders, those that are asked for at once in one statement. */
export class Orders {
  readonly #batcher: Batcher<Wanted, OrderRow | undefined>

  constructor(database: Database) {
    this.#batcher = batchedReads(
      "orders",
      ORDERS_PER_BATCH_MAX,
      (wanted) => readOrders(database, wanted),
      ({ userId }) => userId,
    )
  }

  /**
   * An order as committed by now; undefined when the user has not uploaded it. Rejects with
   * `BatcherFullError` under overload.
   */
  read(wanted: Wanted): Promise<OrderRow | undefined> {
    return this.#batcher.add(wanted)
  }
}

async function readOrders(database: Database, wanted: Wanted[]): Promise<(OrderRow | undefined)[]> {
  const userIds = wanted.map(({ userId }) => userId)
  const numbers = wanted.map(({ number }) => number)
  const rows = await database.$queryRaw<Row[]>`
    SELECT w.place, ${ORDER_COLUMNS}
      FROM unnest(${userIds}::bigint[], ${numbers}::text[])
             WITH ORDINALITY AS w (user_id, number, place)
      JOIN orders o ON o.number = w.number AND o.user_id = w.user_id
      JOIN accruals a ON a.order_id = o.id
     WHERE o.uploaded_at IS NOT NULL`
  const found = new Map(
    rows.map(({ place, hundredths, uploadedAtUs, ...order }): [number, OrderRow] => [
      Number(place),
      { ...order, hundredths: Number(hundredths), uploadedAtUs: Number(uploadedAtUs) },
    ]),
  )
  // The first place is 1.
  return wanted.map((_, i) => found.get(i + 1))
}

interface Row extends Omit<OrderRow, "hundredths" | "uploadedAtUs"> {
  place: bigint
  hundredths: bigint
  uploadedAtUs: bigint
}
