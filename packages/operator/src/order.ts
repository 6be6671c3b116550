import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { type Backends, EXIT_NOT_RIGHT, say } from "./backends.ts"
import { describeOrder } from "./describe-order.ts"

/** Tells everything that is known of an order. */
export async function showOrder(backends: Backends, number: OrderNumber): Promise<number> {
  const lines = await describeOrder(backends.database, () => backends.queue(), number)
  for (const line of lines ?? [`There is no order ${number}.`]) say(line)
  return lines === undefined ? EXIT_NOT_RIGHT : 0
}
