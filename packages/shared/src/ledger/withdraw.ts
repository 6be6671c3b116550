import type { Database } from "../db/client.ts"
import type { OrderNumber } from "../domain/order-number.ts"
import type { Points } from "../domain/points.ts"
import { knownOutcome } from "./outcomes.ts"
import { retry } from "../db/retry.ts"

export interface Withdrawal {
  userId: bigint
  /** One success per key and user. With it a withdrawal whose answer was lost can be repeated. */
  idempotencyKey: string
  number: OrderNumber
  value: Points
  /** Whether a number that nobody has uploaded is refused instead of becoming this user's order. */
  ownedOnly: boolean
}

/** See prisma/functions/withdraw.sql. */
export const WITHDRAW_OUTCOMES = [
  "withdrawn",
  "repeated",
  "key_reused",
  "not_owned",
  "not_enough",
  "no_user",
] as const
export type WithdrawOutcome = (typeof WITHDRAW_OUTCOMES)[number]

/** Spends points against an order, all or nothing, in one transaction. */
export async function withdraw(
  database: Database,
  withdrawal: Withdrawal,
): Promise<WithdrawOutcome> {
  const { userId, idempotencyKey, number, value, ownedOnly } = withdrawal
  const rows = await retry(
    () => database.$queryRaw<{ outcome: string }[]>`
      SELECT withdraw(${userId}::bigint, ${idempotencyKey}, ${number}, ${value}::bigint,
                      ${ownedOnly}) AS outcome`,
  )
  const [row] = rows
  if (row === undefined) throw new Error("withdraw() returned no row")
  return knownOutcome(WITHDRAW_OUTCOMES, row.outcome)
}
