import { SETTLED_STATUSES } from "@gofermart/shared/domain/accrual-status.ts"
import { derivedAccrual } from "@gofermart/scoring-simulator/registry.ts"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { pointsToNumber } from "@gofermart/shared/domain/points.ts"
import { expect } from "vitest"
import { eventually } from "./eventually.ts"
import { newNumbers } from "./numbers.ts"
import type { System } from "./system.ts"

/**
 * Uploads orders that the scoring system will settle, slowly, and resolves with their numbers when
 * a tenth of them is settled: the others are in flight.
 */
export async function uploadAndWaitForSome(system: System, orders: number): Promise<string[]> {
  await system.simulator.behave({ autoRegister: true, delayMs: 50 })
  const customer = await system.register()
  const numbers = newNumbers(orders)
  await Promise.all(numbers.map((number) => customer.upload(number)))
  await eventually("some are settled", async () => (await countFinal(system)) >= orders / 10)
  return numbers
}

/** Every order has earned what the scoring system made of its number, and not another's. */
export async function expectOwnAccruals(system: System, numbers: string[]): Promise<void> {
  const orders = await system.database.client.order.findMany({
    where: { number: { in: numbers } },
    select: { number: true, accrual: { select: { value: true } } },
  })
  const credited = orders.map(({ number, accrual }) => [number, accrual?.value?.toFixed(2)])
  const decided = orders.map(({ number }) => {
    return [number, pointsToNumber(derivedAccrual(number as OrderNumber)).toFixed(2)]
  })
  expect(credited).toEqual(decided)
}

export function countFinal(system: System): Promise<number> {
  return system.database.client.accrual.count({ where: { status: { in: SETTLED_STATUSES } } })
}
