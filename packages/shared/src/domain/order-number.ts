declare const checked: unique symbol

/** A string of ASCII digits that passes the Luhn check. Leading zeros count. Never a number. */
export type OrderNumber = string & { readonly [checked]: true }

export const ORDER_NUMBER_LENGTH_MAX = 255

/** Reads the number of any order there is, with white space around it allowed; undefined when it is none. */
export function parseOrderNumber(text: string): OrderNumber | undefined {
  const number = text.trim()
  if (number.length > ORDER_NUMBER_LENGTH_MAX) return undefined
  return /^[0-9]+$/.test(number) && passesLuhn(number) ? (number as OrderNumber) : undefined
}

/**
 * Reads the number of an order that comes in. Zeros alone pass the check and number no order; some
 * were recorded before this was asked, and are read as any other.
 */
export function parseNewOrderNumber(text: string): OrderNumber | undefined {
  const number = parseOrderNumber(text)
  return number !== undefined && /[^0]/.test(number) ? number : undefined
}

/** The checksum of ISO/IEC 7812-1, annex B: from the right, every second digit counts double. */
function passesLuhn(digits: string): boolean {
  let sum = 0
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(digits.length - 1 - i) - 48
    const doubled = i % 2 === 1 ? digit * 2 : digit
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0
}

/** Completes a string of digits to an order number with its check digit. */
export function withCheckDigit(digits: string): OrderNumber {
  for (let check = 0; check <= 9; check++) {
    const number = parseOrderNumber(`${digits}${check}`)
    if (number !== undefined) return number
  }
  throw new RangeError(`not a string of digits: ${digits}`)
}
