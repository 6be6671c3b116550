import type { Database } from "../db/client.ts"
import type { OrderNumber } from "../domain/order-number.ts"
import type { Points } from "../domain/points.ts"
import { repeat } from "../db/repeat.ts"

export interface Withdrawal {
  userId: bigint
  /** One success per key and user. With it a withdrawal whose answer was lost can be repeated. */
  idempotencyKey: string
  number: OrderNumber
  value: Points
  /** Whether a number that nobody has uploaded is refused instead of becoming this user's order. */
  ownedOnly: boolean
}

/** See `withdraw` in the migrations. */
export type WithdrawOutcome =
  | "withdrawn"
  | "repeated"
  | "key_reused"
  | "not_owned"
  | "not_enough"
  | "no_user"

/** Spends points against an order, all or nothing, in one transaction. */
export async function withdraw(
  database: Database,
  withdrawal: Withdrawal,
): Promise<WithdrawOutcome> {
  const { userId, idempotencyKey, number, value, ownedOnly } = withdrawal
  const rows = await repeat(
    () => database.$queryRaw<{ outcome: WithdrawOutcome }[]>`
      SELECT withdraw(${userId}::bigint, ${idempotencyKey}, ${number}, ${value}::bigint,
                      ${ownedOnly}) AS outcome`,
  )
  const [row] = rows
  if (row === undefined) throw new Error("withdraw() returned no row")
  return row.outcome
}
