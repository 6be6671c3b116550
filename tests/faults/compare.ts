import { derivedAccrual } from "@gofermart/scoring-simulator/registry.ts"
import type { Database } from "@gofermart/shared/db/client.ts"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { verifyLedger } from "@gofermart/shared/ledger/verify.ts"
import type { Traffic, Withdrawal } from "./traffic.ts"

/** What the database says of what traffic was told, in lists that should be empty. */
export interface Comparison {
  /** Acknowledged, and not there. */
  lost: string[]
  /** There more than once, or with another amount than was decided or asked for, or unasked. */
  twice: string[]
  /** Acknowledged and not final yet. */
  waiting: string[]
  /** Balances that their rows do not explain. */
  unexplained: string[]
}

export async function compare(
  client: Database,
  traffic: Pick<Traffic, "uploads" | "withdrawals" | "attempted">,
): Promise<Comparison> {
  const numbers = [...traffic.uploads.keys()]
  const orders = await client.$queryRaw<OrderRow[]>`
    SELECT o.number, u.login, a.status::text, (a.value * 100)::bigint AS hundredths
      FROM orders o
      JOIN users u ON u.id = o.user_id
      JOIN accruals a ON a.order_id = o.id
     WHERE o.number = ANY (${numbers})`
  const withdrawals = await client.$queryRaw<WithdrawalRow[]>`
    SELECT w.idempotency_key AS key, u.login, o.number AS "order",
           (w.value * 100)::int AS hundredths
      FROM withdrawals w
      JOIN users u ON u.id = w.user_id
      JOIN orders o ON o.id = w.order_id`
  const { discrepancies } = await verifyLedger(client)
  const owners = new Map(orders.map(({ number, login }) => [number, login]))
  const keys = new Set(withdrawals.map(({ key }) => key))
  const seen = new Set<string>()
  return {
    lost: [
      ...numbers.filter((number) => owners.get(number) !== traffic.uploads.get(number)),
      ...[...traffic.withdrawals.keys()].filter((key) => !keys.has(key)),
    ],
    twice: [
      ...orders.filter((order) => !isCreditedRight(order)).map(({ number }) => number),
      ...withdrawals
        .filter((row) => {
          const isSecond = seen.has(row.key)
          seen.add(row.key)
          return isSecond || !isAsAsked(row, traffic.attempted.get(row.key))
        })
        .map(({ key }) => key),
    ],
    waiting: orders.filter(({ status }) => status === "PROCESSING").map(({ number }) => number),
    unexplained: discrepancies.map(({ login, reason }) => `${login}: ${reason}`),
  }
}

interface OrderRow {
  number: string
  login: string
  status: string
  hundredths: bigint | null
}

interface WithdrawalRow extends Withdrawal {
  key: string
}

function isCreditedRight({ number, status, hundredths }: OrderRow): boolean {
  return status !== "PROCESSED" || Number(hundredths) === derivedAccrual(number as OrderNumber)
}

function isAsAsked(row: WithdrawalRow, asked: Withdrawal | undefined): boolean {
  return (
    row.login === asked?.login && row.order === asked.order && row.hundredths === asked.hundredths
  )
}
