import type { Database } from "@gofermart/shared/db/client.ts"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import type { Points } from "@gofermart/shared/domain/points.ts"
import { recordOrders } from "@gofermart/shared/ledger/record-orders.ts"
import { settleAccruals } from "@gofermart/shared/ledger/settle-accruals.ts"
import { type Customer, inTurn } from "./customers.ts"
import { newNumber } from "./requests.ts"

const ORDERS_PER_CALL = 1_000
/** Longer than any run, so that requeue leaves these orders alone. */
const LEASE_MS = 3_600_000
/** No order made here is unknown to a scoring system. */
const GRACE_MS = 0

/**
 * Records so many orders without an API, of one customer after another, and gives their numbers as
 * soon as they are committed.
 */
export async function* recordNewOrders(
  ledger: Database,
  nextCustomer: () => Customer,
  count: number,
): AsyncGenerator<OrderNumber[]> {
  for (let left = count; left > 0; left -= ORDERS_PER_CALL) {
    const uploads = Array.from({ length: Math.min(left, ORDERS_PER_CALL) }, () => ({
      userId: nextCustomer().id,
      number: newNumber(),
    }))
    const outcomes = await recordOrders(ledger, uploads, LEASE_MS)
    const refused = outcomes.find((outcome) => outcome !== "accepted")
    if (refused !== undefined) throw new Error(`an order was ${refused}`)
    yield uploads.map(({ number }) => number)
  }
}

/** Gives each customer so many orders that have earned so much each. */
export async function makeSettledOrders(
  ledger: Database,
  customers: Customer[],
  ordersEach: number,
  points: Points,
): Promise<void> {
  const count = customers.length * ordersEach
  for await (const numbers of recordNewOrders(ledger, inTurn(customers), count)) {
    const answer = { kind: "PROCESSED", points } as const
    const answered = numbers.map((number) => ({ number, answer }))
    const settlements = await settleAccruals(ledger, answered, GRACE_MS)
    const unsettled = settlements.find(({ outcome }) => outcome !== "settled")
    if (unsettled !== undefined) throw new Error(`an order was ${unsettled.outcome}`)
  }
}
