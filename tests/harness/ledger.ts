import type { Database } from "@gofermart/shared/db/client.ts"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { pointsFromHundredths } from "@gofermart/shared/domain/points.ts"
import { recordOrders } from "@gofermart/shared/ledger/record-orders.ts"
import { settleAccruals, type ScoringAnswer } from "@gofermart/shared/ledger/settle-accruals.ts"
import { newLogin, newNumber } from "./numbers.ts"

export const LEASE_MS = 30_000
const GRACE_MS = 86_400_000

export function processed(hundredths: number): ScoringAnswer {
  return { kind: "PROCESSED", points: pointsFromHundredths(hundredths) }
}

export async function createUser(database: Database): Promise<bigint> {
  const data = { login: newLogin(), password: "-", balance: { create: {} } }
  const { id } = await database.user.create({ data })
  return id
}

/** Records an order that is accepted, and gives its id. */
export async function recordOne(
  database: Database,
  userId: bigint,
  number: OrderNumber = newNumber(),
): Promise<bigint> {
  const [outcome] = await recordOrders(database, [{ userId, number }], LEASE_MS)
  if (outcome !== "accepted") throw new Error(`the order was ${outcome}`)
  const { id } = await database.order.findUniqueOrThrow({ where: { number } })
  return id
}

/** Applies answers in one call, to orders named by their ids. */
export async function settleMany(
  database: Database,
  answered: { orderId: bigint; answer: ScoringAnswer }[],
  graceMs = GRACE_MS,
) {
  const orders = await database.order.findMany({
    where: { id: { in: answered.map(({ orderId }) => orderId) } },
  })
  const numberOf = new Map(orders.map(({ id, number }) => [id, number]))
  const byNumber = answered.map(({ orderId, answer }) => {
    return { number: numberOf.get(orderId) ?? "an unknown one", answer }
  })
  return settleAccruals(database, byNumber, graceMs)
}

export async function settleOne(
  database: Database,
  orderId: bigint,
  answer: ScoringAnswer,
  graceMs = GRACE_MS,
) {
  const [settlement] = await settleMany(database, [{ orderId, answer }], graceMs)
  if (settlement === undefined) throw new Error("there was no result")
  return settlement
}

/** A user with this balance, and the order it came from. */
export async function createUserWithPoints(database: Database, hundredths: number) {
  const userId = await createUser(database)
  const orderId = await recordOne(database, userId)
  await settleOne(database, orderId, processed(hundredths))
  return { userId, orderId }
}

export async function balanceOf(database: Database, userId: bigint) {
  const { accrual, withdrawal, version } = await database.userBalance.findUniqueOrThrow({
    where: { userId },
  })
  return { current: accrual.toFixed(2), withdrawn: withdrawal.toFixed(2), version: Number(version) }
}
