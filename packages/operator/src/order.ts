import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { type Backends, EXIT_FAILED, EXIT_NOT_RIGHT, say } from "./command-line/backends.ts"
import { describeOrder } from "@gofermart/shared/operator/describe-order.ts"

/** Tells everything that is known of an order; its rows alone while the queue does not answer. */
export async function showOrder(backends: Backends, number: OrderNumber): Promise<number> {
  const described = await describeOrder(backends.database, () => backends.queue(), number)
  if (described === undefined) {
    say(`There is no order ${number}.`)
    return EXIT_NOT_RIGHT
  }
  for (const line of described.lines) say(line)
  return described.isWhole ? 0 : EXIT_FAILED
}
