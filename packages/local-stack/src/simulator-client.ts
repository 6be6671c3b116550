import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"

/** The mechanic of the contract's example: 5 % on the second of the goods below. */
const MECHANIC = { match: "Bork", reward: 5, reward_type: "%" }
const GOODS = [
  { description: "Headphones", price: 47_399.99 },
  { description: "Bork kettle", price: 14_599.5 },
]
const ALREADY_KNOWN = 409

/** Tells the simulator of an order that earns 729.98 points. */
export async function announceOrder(scoringUrl: string, number: OrderNumber): Promise<void> {
  await post(`${scoringUrl}/api/goods`, MECHANIC)
  await post(`${scoringUrl}/api/orders`, { order: number, goods: GOODS })
}

async function post(url: string, body: object): Promise<void> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  })
  await response.body?.cancel()
  if (!response.ok && response.status !== ALREADY_KNOWN) {
    throw new Error(`The simulator answered ${response.status} to ${url}.`)
  }
}
