import { randomInt } from "node:crypto"
import { type OrderNumber, withCheckDigit } from "@gofermart/shared/domain/order-number.ts"
import type { HttpRequest } from "../measure/http-load.ts"
import { type Customer, inTurn } from "./customers.ts"

const NUMBER_PART = { min: 10 ** 8, max: 10 ** 9 }

/**
 * A random order number of 19 digits, hence a new one: it comes to any place of an index and not
 * always to its end, which is in memory however large the index is.
 */
export function newNumber(): OrderNumber {
  const part = () => randomInt(NUMBER_PART.min, NUMBER_PART.max)
  return withCheckDigit(`${part()}${part()}`)
}

/** Requests that each upload a new number, of one customer after another. */
export function uploadsOf(customers: Customer[]): () => HttpRequest {
  const nextCustomer = inTurn(customers)
  return () => ({
    method: "POST",
    path: "/api/user/orders",
    headers: { ...nextCustomer().headers, "content-type": "text/plain" },
    body: newNumber(),
  })
}

/** Requests that each read a page of one customer after another. */
export function readsOf(customers: Customer[], path: string): () => HttpRequest {
  const nextCustomer = inTurn(customers)
  return () => ({ method: "GET", path, headers: nextCustomer().headers })
}
