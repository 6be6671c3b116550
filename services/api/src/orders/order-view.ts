import { type Database, sql } from "@gofermart/shared/db/client.ts"
import { type AccrualStatus, toClientStatus } from "@gofermart/shared/domain/accrual-status.ts"
import {
  type Points,
  pointsFromHundredths,
  pointsToNumber,
} from "@gofermart/shared/domain/points.ts"
import { Type, type Static } from "typebox"

export const OrderSchema = Type.Object(
  {
    number: Type.String(),
    status: Type.Enum(["NEW", "PROCESSING", "INVALID", "PROCESSED"], {
      type: "string",
      description: "INVALID and PROCESSED are final",
    }),
    uploaded_at: Type.String({ format: "date-time" }),
    accrual: Type.Optional(Type.Number({ description: "the points it earned, if any" })),
  },
  {
    $id: "Order",
    examples: [
      {
        number: "79927398713",
        status: "PROCESSED",
        uploaded_at: "2026-11-22T10:15:30.123Z",
        accrual: 729.98,
      },
    ],
  },
)
export type OrderView = Static<typeof OrderSchema>
export const OrderRef = Type.Unsafe<OrderView>({ $ref: "Order#" })

/** An order that was uploaded. */
interface UploadedOrder {
  number: string
  status: AccrualStatus
  /** What it earned; 0 for an order that did not. */
  points: Points
  uploadedAt: Date
}

/** An order as its user sees it. */
export function showOrder({ number, status, points, uploadedAt }: UploadedOrder): OrderView {
  return {
    number,
    status: toClientStatus(status),
    uploaded_at: uploadedAt.toISOString(),
    ...(points > 0 ? { accrual: pointsToNumber(points) } : {}),
  }
}

/** What `ORDER_COLUMNS` give. Numbers, because a Decimal and a Date of each row cost much more. */
export interface OrderRow {
  number: string
  status: AccrualStatus
  hundredths: number
  /** Since 1970. */
  uploadedAtUs: number
}

/** Of `orders o JOIN accruals a`. Both numbers are below 2^53, hence exact. */
export const ORDER_COLUMNS = sql`
  o.number, a.status::text, coalesce(a.value * 100, 0)::float8 AS hundredths,
  (extract(epoch FROM o.uploaded_at) * 1000000)::float8 AS "uploadedAtUs"`

export function showRow({ number, status, hundredths, uploadedAtUs }: OrderRow): OrderView {
  const uploadedAt = new Date(uploadedAtUs / 1_000)
  return showOrder({ number, status, points: pointsFromHundredths(hundredths), uploadedAt })
}

/** Whether the user's upload of this number would open an order that is not open now. */
export async function opens(database: Database, userId: bigint, number: string): Promise<boolean> {
  const order = await database.order.findUnique({
    where: { number },
    select: { userId: true, accrual: { select: { status: true } } },
  })
  if (order === null) return true
  const status = order.accrual?.status
  return order.userId === userId && (status === "NEW" || status === "UNREGISTERED")
}

/** One order of a user's; undefined when they have not uploaded it. */
export async function readOrder(
  database: Database,
  userId: bigint,
  number: string,
): Promise<OrderRow | undefined> {
  const [row] = await database.$queryRaw<OrderRow[]>`
    SELECT ${ORDER_COLUMNS}
      FROM orders o JOIN accruals a ON a.order_id = o.id
     WHERE o.number = ${number} AND o.user_id = ${userId} AND o.uploaded_at IS NOT NULL`
  return row
}
