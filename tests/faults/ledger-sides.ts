import type { Customer } from "@gofermart/local-stack/customer.ts"
import type { Database } from "@gofermart/shared/db/client.ts"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { pointsFromDecimal, pointsFromHundredths } from "@gofermart/shared/domain/points.ts"
import { recordOrders } from "@gofermart/shared/ledger/record-orders.ts"
import { type ScoringAnswer, settleAccruals } from "@gofermart/shared/ledger/settle-accruals.ts"
import { withdraw } from "@gofermart/shared/ledger/withdraw.ts"
import { createUser, LEASE_MS } from "../harness/ledger.ts"
import { newNumbers } from "../harness/numbers.ts"
import type { System } from "../harness/system.ts"
import type { Operation, Outcome } from "./ledger-model.ts"

/** An account as it shows from outside, to compare with the model's. */
export interface SeenAccount {
  current: number
  withdrawn: number
  lines: { version: number; order: number; hundredths: number; balance: number }[]
}

/** One side that the model is compared with: users and orders of its own, and ways to reach them. */
export interface Side {
  do(operation: Operation): Promise<Outcome>
  accounts(): Promise<SeenAccount[]>
  /** By the order's place. What a client is told is checked on the way. */
  statuses(): Promise<Record<number, { owner: number; status: string }>>
}

/** The ledger's functions, called as the services call them. */
export async function openLedger(database: Database, users: number, orders: number): Promise<Side> {
  const userIds = await Promise.all(Array.from({ length: users }, () => createUser(database)))
  const numbers = newNumbers(orders)
  return {
    async do(operation) {
      const number = numbers[operation.order] as OrderNumber
      if (operation.do === "settle") return settle(database, number, operation.answer)
      const userId = userIds[operation.user] ?? 0n
      if (operation.do === "upload") {
        return only(await recordOrders(database, [{ userId, number }], LEASE_MS))
      }
      const { key: idempotencyKey, hundredths } = operation
      const value = pointsFromHundredths(hundredths)
      const withdrawal = { userId, idempotencyKey, number, value, ownedOnly: false }
      const outcome = await withdraw(database, withdrawal)
      return outcome === "repeated" ? "withdrawn" : outcome
    },
    accounts: () => Promise.all(userIds.map((userId) => readAccount(database, userId, numbers))),
    statuses: () => readStatuses(database, userIds, numbers),
  }
}

const OUTCOMES: Record<string, Outcome> = {
  "upload 202": "accepted",
  "upload 200": "already_uploaded",
  "upload 409 order_taken": "taken",
  "withdraw 200": "withdrawn",
  "withdraw 402 not_enough_points": "not_enough",
  "withdraw 422 order_not_yours": "not_owned",
  "withdraw 422 idempotency_key_reused": "key_reused",
}

/** The API over HTTP; orders are settled as a worker does it. */
export async function openApi(system: System, users: number, orders: number): Promise<Side> {
  const customers = await Promise.all(Array.from({ length: users }, () => system.register()))
  const { client } = system.database
  const numbers = newNumbers(orders)
  const ids = await client.user.findMany({
    where: { login: { in: customers.map(({ login }) => login) } },
  })
  const idOf = new Map(ids.map(({ login, id }) => [login, id]))
  const userIds = customers.map(({ login }) => idOf.get(login) ?? 0n)
  return {
    async do(operation) {
      const number = numbers[operation.order] as OrderNumber
      if (operation.do === "settle") return settle(client, number, operation.answer)
      const { response, error } = await send(customers[operation.user], number, operation)
      const answer = [operation.do, response.status, ...(error ? [error.code] : [])].join(" ")
      const outcome = OUTCOMES[answer]
      if (outcome === undefined) throw new Error(`the API answered: ${answer}`)
      return outcome
    },
    accounts: () =>
      Promise.all(
        customers.map(async (customer) => {
          const { current, withdrawn } = await customer.balance()
          const { data = [] } = await customer.client.GET("/api/user/transactions")
          if (typeof data === "string") throw new Error("the API answered with CSV")
          const lines = data.toReversed().map(({ version, order, amount, balance }) => ({
            version,
            order: numbers.indexOf(order as OrderNumber),
            hundredths: toHundredths(amount),
            balance: toHundredths(balance),
          }))
          return { current: toHundredths(current), withdrawn: toHundredths(withdrawn), lines }
        }),
      ),
    async statuses() {
      const statuses = await readStatuses(client, userIds, numbers)
      const shown = await Promise.all(customers.map((customer) => customer.orders()))
      for (const [owner, list] of shown.entries()) {
        for (const { number, status } of list) {
          const place = numbers.indexOf(number as OrderNumber)
          const there = statuses[place]
          const told = there?.status === "UNREGISTERED" ? "INVALID" : there?.status
          if (there?.owner !== owner || status !== told)
            throw new Error(`a client sees order ${place} of user ${owner} as ${status}`)
        }
      }
      const uploaded = Object.values(statuses).filter(({ status }) => status !== "NEW")
      if (shown.flat().length !== uploaded.length) throw new Error("an order is in no list")
      return statuses
    },
  }
}

async function send(
  customer: Customer | undefined,
  number: string,
  operation: Operation & { do: "upload" | "withdraw" },
) {
  if (customer === undefined) throw new Error("there is no such user")
  if (operation.do === "upload") {
    return customer.client.POST("/api/user/orders", { body: number })
  }
  return customer.client.POST("/api/user/balance/withdraw", {
    body: { order: number, sum: operation.hundredths / 100 },
    params: { header: { "idempotency-key": operation.key } },
  })
}

async function settle(
  database: Database,
  number: string,
  answer: (Operation & { do: "settle" })["answer"],
): Promise<Outcome> {
  const points: ScoringAnswer =
    answer.kind === "PROCESSED"
      ? { kind: answer.kind, points: pointsFromHundredths(answer.hundredths) }
      : answer
  return only(await settleAccruals(database, [{ number, answer: points }], 0)).outcome
}

/** The one that there is. */
function only<Item>([item]: Item[]): Item {
  if (item === undefined) throw new Error("the ledger gave no outcome")
  return item
}

async function readAccount(
  database: Database,
  userId: bigint,
  numbers: string[],
): Promise<SeenAccount> {
  const balance = await database.userBalance.findUniqueOrThrow({ where: { userId } })
  const earned = await database.accrual.findMany({
    where: { userId, value: { gt: 0 } },
    select: { version: true, value: true, balanceAfter: true, order: true },
  })
  const spent = await database.withdrawal.findMany({ where: { userId }, include: { order: true } })
  const lines = [...earned, ...spent.map((line) => ({ ...line, value: line.value.negated() }))]
  return {
    current: pointsFromDecimal(balance.accrual),
    withdrawn: pointsFromDecimal(balance.withdrawal),
    lines: lines
      .toSorted((a, b) => Number(a.version) - Number(b.version))
      .map(({ version, order, value, balanceAfter }) => ({
        version: Number(version),
        order: numbers.indexOf(order.number),
        hundredths: toHundredths(Number(value)),
        balance: toHundredths(Number(balanceAfter)),
      })),
  }
}

async function readStatuses(database: Database, userIds: bigint[], numbers: string[]) {
  const rows = await database.order.findMany({
    where: { number: { in: numbers } },
    select: { number: true, userId: true, accrual: { select: { status: true } } },
  })
  return Object.fromEntries(
    rows.map(({ number, userId, accrual }) => [
      numbers.indexOf(number as OrderNumber),
      { owner: userIds.indexOf(userId), status: accrual?.status ?? "none" },
    ]),
  )
}

function toHundredths(points: number): number {
  return Math.round(points * 100)
}
