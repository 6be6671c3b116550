import { type OrderNumber, withCheckDigit } from "@gofermart/shared/domain/order-number.ts"

let made = 0
const start = Date.now()

/** An order number that no other call in this run gives. */
export function newNumber(): OrderNumber {
  made += 1
  return withCheckDigit(`${start}${process.pid}${made}`)
}

export function newNumbers(count: number): OrderNumber[] {
  return Array.from({ length: count }, newNumber)
}

let logins = 0

export function newLogin(): string {
  logins += 1
  return `user-${start}-${process.pid}-${logins}`
}
