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

export function countFinal(system: System): Promise<number> {
  return system.database.client.accrual.count({ where: { status: { not: "PROCESSING" } } })
}
