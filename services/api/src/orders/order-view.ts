import type { Database } from "@gofermart/shared/db/client.ts"
import { type AccrualStatus, toClientStatus } from "@gofermart/shared/domain/accrual-status.ts"
import { pointsFromDecimal, pointsToNumber } from "@gofermart/shared/domain/points.ts"
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

/** An order that was uploaded, as the database has it. */
export interface OrderRow {
  number: string
  status: AccrualStatus
  value: { toFixed(decimals: number): string } | null
  uploadedAt: Date
}

/** An order as its user sees it. */
export function showOrder({ number, status, value, uploadedAt }: OrderRow): OrderView {
  const points = value === null ? 0 : pointsToNumber(pointsFromDecimal(value))
  return {
    number,
    status: toClientStatus(status),
    uploaded_at: uploadedAt.toISOString(),
    ...(points > 0 ? { accrual: points } : {}),
  }
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
    SELECT o.number, a.status::text, a.value, o.uploaded_at AS "uploadedAt"
      FROM orders o JOIN accruals a ON a.order_id = o.id
     WHERE o.number = ${number} AND o.user_id = ${userId} AND o.uploaded_at IS NOT NULL`
  return row
}
