import { NO_POINTS, pointsFromDecimal, pointsToNumber } from "@gofermart/shared/domain/points.ts"
import type { Line } from "@gofermart/shared/ledger/history.ts"
import { Type, type Static } from "typebox"
import { showWithdrawal, WithdrawalRef } from "../balance/withdrawal-list.ts"
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

type KeysOf<Each> = Each extends unknown ? keyof Each : never
/** An event has the name of what its data tell, beside the balance. */
type EventName = Exclude<KeysOf<AccountEvent>, "balance">

/** The events there are, as the API's description says it. */
export const EVENTS_SAID = {
  order: "`order` (an order was settled)",
  withdrawal: "`withdrawal`",
} satisfies Record<EventName, string>

/** Writes a line of the account as a server-sent event whose id is the account's version. */
export function writeEvent(line: Line): string {
  const { version, number } = line
  const balance = pointsToNumber(pointsFromDecimal(line.balanceAfter))
  switch (line.kind) {
    case "accrual": {
      const { status, value } = line
      const points = value === null ? NO_POINTS : pointsFromDecimal(value)
      const uploadedAtUs = Number(line.uploadedAtUs)
      const order = showOrder({ number, status, points, uploadedAtUs })
      return write(version, "order", { order, balance })
    }
    case "withdrawal":
      return write(version, "withdrawal", { withdrawal: showWithdrawal(line), balance })
  }
}

function write<Name extends EventName>(
  version: bigint,
  event: Name,
  data: Extract<AccountEvent, Record<Name, unknown>>,
): string {
  return `id: ${version}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}
