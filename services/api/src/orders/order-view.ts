import { type Database, sql } from "@gofermart/shared/db/client.ts"
import { select } from "@gofermart/shared/db/columns.ts"
import { showInstant, usOf } from "@gofermart/shared/db/instants.ts"
import {
  type AccrualStatus,
  CLIENT_STATUSES,
  STATUS_RULES,
  toClientStatus,
} from "@gofermart/shared/domain/accrual-status.ts"
import {
  type Points,
  pointsFromHundredths,
  pointsToNumber,
} from "@gofermart/shared/domain/points.ts"
import { Type, type Static } from "typebox"

export const OrderSchema = Type.Object(
  {
    number: Type.String(),
    status: Type.Enum([...CLIENT_STATUSES], {
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
  /** Microseconds since 1970. */
  uploadedAtUs: number
}

/** An order as its user sees it. */
export function showOrder({ number, status, points, uploadedAtUs }: UploadedOrder): OrderView {
  return {
    number,
    status: toClientStatus(status),
    uploaded_at: showInstant(uploadedAtUs),
    ...(points > 0 ? { accrual: pointsToNumber(points) } : {}),
  }
}

/** What `ORDER_COLUMNS` give in JSON. Numbers, because a Decimal of each row costs much more. */
export interface OrderRow {
  number: string
  status: AccrualStatus
  hundredths: number
  /** Microseconds since 1970. */
  uploadedAtUs: number
}

/** Of `orders o JOIN accruals a`. Both numbers are below 2^53, hence exact. */
export const ORDER_COLUMNS = select<OrderRow>({
  number: sql`o.number`,
  status: sql`a.status::text`,
  hundredths: sql`coalesce(a.value * 100, 0)::bigint`,
  uploadedAtUs: usOf(sql`o.uploaded_at`),
})

export function showRow({ hundredths, ...order }: OrderRow): OrderView {
  return showOrder({ ...order, points: pointsFromHundredths(hundredths) })
}

/** Whether the user's upload of this number would open an order that is not open now. */
export async function wouldReopen(
  database: Database,
  userId: bigint,
  number: string,
): Promise<boolean> {
  const order = await database.order.findFirst({
    where: { number },
    select: { userId: true, accrual: { select: { status: true } } },
  })
  if (order === null) return true
  const { userId: ownerId, accrual } = order
  return ownerId === userId && accrual !== null && STATUS_RULES[accrual.status].isReopenable
}
