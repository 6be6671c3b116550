import { showInstant } from "@gofermart/shared/db/instants.ts"
import { pointsFromDecimal, pointsToNumber } from "@gofermart/shared/domain/points.ts"
import { type Line, LINE_KINDS } from "@gofermart/shared/ledger/history.ts"
import { Type, type Static } from "typebox"

/** A line of the history as its user sees it, in JSON, and with the same columns in CSV. */
export const TransactionSchema = Type.Object(
  {
    version: Type.Integer({ description: "of the account; the only order of events there is" }),
    type: Type.Enum(LINE_KINDS, { type: "string" }),
    order: Type.String(),
    amount: Type.Number({ description: "what the balance grew by; negative for a withdrawal" }),
    balance: Type.Number({ description: "after this line" }),
    processed_at: Type.String({ format: "date-time" }),
  },
  {
    $id: "Transaction",
    examples: [
      {
        version: 2,
        type: "withdrawal",
        order: "2377225624",
        amount: -100.01,
        balance: 629.97,
        processed_at: "2026-11-22T10:15:30.123Z",
      },
    ],
  },
)
export type Transaction = Static<typeof TransactionSchema>

export function showTransaction(line: Line): Transaction {
  return {
    version: Number(line.version),
    type: line.kind,
    order: line.number,
    amount: amountOf(line),
    balance: pointsToNumber(pointsFromDecimal(line.balanceAfter)),
    processed_at: showInstant(line.atUs),
  }
}

/** What the balance grew by. */
function amountOf({ kind, value }: Line): number {
  switch (kind) {
    case "accrual":
      return value === null ? 0 : pointsToNumber(pointsFromDecimal(value))
    case "withdrawal":
      return -pointsToNumber(pointsFromDecimal(value))
  }
}
