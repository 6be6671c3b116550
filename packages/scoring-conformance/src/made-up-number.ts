import { randomInt } from "node:crypto"
import {
  ORDER_NUMBER_LENGTH_MAX,
  type OrderNumber,
  withCheckDigit,
} from "@gofermart/shared/domain/order-number.ts"

/** So many that nobody has the same number by chance. */
const DIGITS = 18
const ZEROS = "00"

/** An order number that nobody has, without a leading zero. */
export function makeUpNumber(): OrderNumber {
  return withCheckDigit(digits(DIGITS - 1))
}

/** One of the greatest length. */
export function makeUpLongNumber(): OrderNumber {
  return withCheckDigit(digits(ORDER_NUMBER_LENGTH_MAX - 1))
}

/** The same number after zeros, which make it another order and keep its check digit right. */
export function afterZeros(number: OrderNumber): OrderNumber {
  return `${ZEROS}${number}` as OrderNumber
}

function digits(count: number): string {
  const rest = Array.from({ length: count - 1 }, () => randomInt(10))
  return [randomInt(1, 10), ...rest].join("")
}
