import { NO_POINTS, pointsFromDecimal, pointsToNumber } from "@gofermart/shared/domain/points.ts"
import { Type, type Static } from "typebox"
import { showWithdrawal, WithdrawalRef } from "../balance/withdrawal-list.ts"
import type { Line } from "../history/lines.ts"
import { OrderRef, showOrder } from "../orders/order-view.ts"

const balanceAfter = Type.Number({ description: "what can be spent after it" })

export const AccountEventSchema = Type.Union(
  [
    Type.Object({ order: OrderRef, balance: balanceAfter }),
    Type.Object({ withdrawal: WithdrawalRef, balance: balanceAfter }),
  ],
  {
    $id: "AccountEvent",
    description: "The data of an event: an order that was settled, or a withdrawal.",
    examples: [
      {
        withdrawal: {
          order: "2377225624",
          sum: 100.01,
          processed_at: "2026-11-22T10:15:30.123Z",
        },
        balance: 629.97,
      },
    ],
  },
)
type AccountEvent = Static<typeof AccountEventSchema>

/** Writes a line of the account as a server-sent event whose id is the account's version. */
export function writeEvent(line: Line): string {
  const { version, number, status, uploadedAt, value, at } = line
  const balance = pointsToNumber(pointsFromDecimal(line.balanceAfter))
  if (status !== null && uploadedAt !== null) {
    const points = value === null ? NO_POINTS : pointsFromDecimal(value)
    const order = showOrder({ number, status, points, uploadedAt })
    return write(version, "order", { order, balance })
  }
  if (value === null) throw new Error("a withdrawal has a value")
  return write(version, "withdrawal", { withdrawal: showWithdrawal(number, value, at), balance })
}

function write(version: bigint, event: string, data: AccountEvent): string {
  return `id: ${version}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}
