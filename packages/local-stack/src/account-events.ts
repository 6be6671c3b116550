import { isDeepStrictEqual } from "node:util"
import { type AccountEvent, followEvents } from "@gofermart/client"
import type { Customer } from "./customer.ts"

/** Follows a customer's account from its beginning until `count` events have come, or it aborts. */
export async function collectEvents(
  customer: Customer,
  count: number,
  signal: AbortSignal,
): Promise<AccountEvent[]> {
  const events: AccountEvent[] = []
  for await (const event of followEvents(customer.client, { signal, lastEventId: "0" })) {
    events.push(event)
    if (events.length >= count) break
  }
  return events
}

/** Compares the events with the customer's lists and balance; says in sentences what is wrong. */
export async function whatIsWrong(events: AccountEvent[], customer: Customer): Promise<string[]> {
  const [orders, withdrawals, balance] = await Promise.all([
    customer.orders(),
    customer.withdrawals(),
    customer.balance(),
  ])
  const shown = events.map(describeEvent)
  const listed = [
    ...orders.map(({ number }) => `order ${number}`),
    ...withdrawals.map(({ order }) => `withdrawal ${order}`),
  ]
  const versions = events.map(({ id }) => Number(id))
  const isInOrder = versions.every((version, i) => version > (versions[i - 1] ?? 0))
  const last = events.at(-1)?.data.balance
  const wrong: string[] = []
  if (!isDeepStrictEqual(shown.toSorted(), listed.toSorted())) {
    wrong.push(`The ${shown.length} events are not the ${listed.length} orders and withdrawals.`)
  }
  if (!isInOrder) wrong.push(`The events are not in order: ${versions.join(", ")}.`)
  if (last !== balance.current) {
    wrong.push(`The last event says ${last ?? "nothing"}, the balance is ${balance.current}.`)
  }
  return wrong
}

function describeEvent({ event, data }: AccountEvent): string {
  switch (event) {
    case "order":
      return `order ${data.order.number}`
    case "withdrawal":
      return `withdrawal ${data.withdrawal.order}`
  }
}
