import { type Database, sql } from "@gofermart/shared/db/client.ts"
import { select } from "@gofermart/shared/db/columns.ts"
import { showInstant, usOf } from "@gofermart/shared/db/instants.ts"
import { type Decimal, pointsFromDecimal, pointsToNumber } from "@gofermart/shared/domain/points.ts"
import { VERSION_MAX } from "@gofermart/shared/ledger/history.ts"
import { Type, type Static } from "typebox"
import { byVersion, type HistoryParts } from "../history/versions.ts"
import type { List } from "../http/list.ts"

export const WithdrawalSchema = Type.Object(
  {
    order: Type.String(),
    sum: Type.Number(),
    processed_at: Type.String({ format: "date-time" }),
  },
  {
    $id: "Withdrawal",
    examples: [{ order: "2377225624", sum: 100.01, processed_at: "2026-11-22T10:15:30.123Z" }],
  },
)
type WithdrawalView = Static<typeof WithdrawalSchema>
export const WithdrawalRef = Type.Unsafe<WithdrawalView>({ $ref: "Withdrawal#" })

export function withdrawalList(parts: HistoryParts, userId: bigint): List<WithdrawalRow, bigint> {
  const { database, userTurns } = parts
  return {
    ...byVersion(parts, userId),
    read: (after, limit) =>
      userTurns.items(userId, limit, () => readWithdrawals(database, userId, after, limit)),
    show: showWithdrawal,
  }
}

/** What its user is shown of a withdrawal. */
interface Withdrawal {
  number: string
  value: Decimal
  /** Microseconds since 1970. */
  atUs: bigint
}

interface WithdrawalRow extends Withdrawal {
  version: bigint
}

const COLUMNS = select<WithdrawalRow>({
  version: sql`w.version`,
  number: sql`o.number`,
  value: sql`w.value`,
  atUs: usOf(sql`w.created_at`),
})

function readWithdrawals(
  database: Database,
  userId: bigint,
  before: bigint | undefined,
  limit: number,
): Promise<WithdrawalRow[]> {
  return database.$queryRaw<WithdrawalRow[]>`
    SELECT ${COLUMNS}
      FROM withdrawals w JOIN orders o ON o.id = w.order_id
     WHERE w.user_id = ${userId} AND w.version < ${before ?? VERSION_MAX}
     ORDER BY w.version DESC
     LIMIT ${limit}`
}

/** A withdrawal as its user sees it. */
export function showWithdrawal({ number, value, atUs }: Withdrawal): WithdrawalView {
  return {
    order: number,
    sum: pointsToNumber(pointsFromDecimal(value)),
    processed_at: showInstant(atUs),
  }
}
