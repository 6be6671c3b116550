import { randomUUID } from "node:crypto"
import { type OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import type { Points } from "@gofermart/shared/domain/points.ts"
import { afterZeros, makeUpLongNumber, makeUpNumber } from "./made-up-number.ts"
import type { CheckId } from "./checks.ts"
import type { Finding } from "./finding.ts"

/** What the example of the published contract earns: 5 % of the second of its two goods. */
export const EXAMPLE_POINTS = 72_998 as Points
const EXAMPLE_PRICES = [47_399.99, 14_599.5] as const
const EXAMPLE_PERCENT = 5

/** Of each request. */
const REGISTER_TIMEOUT_MS = 10_000
const CLIENT = "polls only: the shop registers"

export interface Registered {
  found: Finding[]
  /** Every order that was accepted. */
  orders: OrderNumber[]
  /** The one that earns `EXAMPLE_POINTS`. */
  example: OrderNumber
  /** The number without the leading zeros of one of `orders`. */
  shorter: OrderNumber
}

/**
 * Registers a mechanic and four orders by the published contract: its example, one whose number
 * begins with zeros, one with 255 digits, and one without goods, which may be refused.
 */
export async function register(url: string): Promise<Registered> {
  const match = `conformance ${randomUUID()}`
  const [first, second] = EXAMPLE_PRICES
  const goods = [
    { description: "headphones", price: first },
    { description: `kettle ${match}`, price: second },
  ]
  const [example, shorter, long, empty] = [
    makeUpNumber(),
    makeUpNumber(),
    makeUpLongNumber(),
    makeUpNumber(),
  ]
  const found: Finding[] = []
  const expect = async (status: number, path: string, body: object, refused?: CheckId) => {
    const finding = await post(url, status, path, body)
    const isRefused = finding.violation !== undefined
    found.push(isRefused && refused !== undefined ? { ...finding, check: refused } : finding)
    return !isRefused
  }
  const mechanic = { match, reward: EXAMPLE_PERCENT, reward_type: "%" }
  await expect(200, "/api/goods", mechanic)
  await expect(409, "/api/goods", mechanic)
  const orders: OrderNumber[] = []
  for (const { order, refused } of [
    { order: example },
    { order: afterZeros(shorter), refused: "leading_zeros" },
    { order: long, refused: "long_numbers" },
  ] as const) {
    if (await expect(202, "/api/orders", { order, goods }, refused)) orders.push(order)
  }
  await expect(409, "/api/orders", { order: example, goods })
  const withoutGoods = await post(url, 202, "/api/orders", { order: empty, goods: [] })
  if (withoutGoods.violation === undefined) orders.push(empty)
  return { found, orders, example, shorter }
}

async function post(url: string, expected: number, path: string, body: object): Promise<Finding> {
  const check = "registration"
  const begun = performance.now()
  const answered = await send(`${url}${path}`, body)
  const tookMs = Math.round(performance.now() - begun)
  const request = `POST ${path}`
  if (typeof answered === "string") {
    return { check, violation: answered, seen: { request, tookMs }, client: CLIENT }
  }
  const violation = `it answered ${answered}, not ${expected}`
  return {
    check,
    ...(answered === expected ? {} : { violation }),
    seen: { request, status: answered, tookMs },
    client: CLIENT,
  }
}

/** The status of the answer; words when none comes. */
async function send(url: string, body: object): Promise<number | string> {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      redirect: "manual",
      signal: AbortSignal.timeout(REGISTER_TIMEOUT_MS),
    })
    await response.body?.cancel()
    return response.status
  } catch (error) {
    return error instanceof Error ? error.message : "no answer"
  }
}
