declare const hundredths: unique symbol

/**
 * An amount of points as a whole number of hundredths: 729.98 points are 72998.
 *
 * All arithmetic is done on these; decimals exist only on the wire and in `numeric` columns.
 * Amounts stay below 2^53 hundredths (the database checks it), so a number holds each exactly.
 */
export type Points = number & { readonly [hundredths]: true }

export const NO_POINTS = 0 as Points

/** 2^53 − 1 hundredths: 90,071,992,547,409.91 points. */
export const POINTS_MAX = Number.MAX_SAFE_INTEGER as Points

/** A longer number in somebody's JSON is not an amount: keeps parsing linear and small. */
const DECIMAL_LENGTH_MAX = 400
/** Without the zeros before them. */
const EXPONENT_DIGITS_MAX = 4
const DECIMALS = 2
/** So many digits tell every double from its neighbours. */
const DOUBLE_DIGITS = 17

/** Reads whole hundredths as they come from SQL. Throws a RangeError when they do not fit. */
export function pointsFromHundredths(value: bigint | number): Points {
  const number = Number(value)
  if (!Number.isSafeInteger(number) || number < 0) throw new RangeError("not an amount of points")
  return number as Points
}

/** What the database's client makes of a `numeric` column. */
export interface Decimal {
  toFixed(decimals: number): string
}

/** Reads a `numeric(18,2)` column. */
export function pointsFromDecimal(value: Decimal): Points {
  return pointsFromHundredths(BigInt(value.toFixed(DECIMALS).replace(".", "")))
}

/**
 * The JSON number of an amount, such as 729.98. Up to 2^46 points (70 trillion) the double nearest
 * to an amount prints as it is.
 */
export function pointsToNumber(points: Points): number {
  return points / 100
}

export function addPoints(a: Points, b: Points): Points {
  return pointsFromHundredths(a + b)
}

/**
 * Reads an amount that a client sent, from the source text of its JSON number: an exact decimal.
 * Undefined when it is negative, has more than two decimals, or is too large to be exact.
 *
 * Some programs write a double with all its digits: PHP sends 729.98 as 729.98000000000002. Such a
 * text is the amount that the double prints as.
 */
export function pointsFromSource(source: string): Points | undefined {
  const exact = readDecimal(source, "exact")
  if (exact !== undefined || significantDigits(source) < DOUBLE_DIGITS) return exact
  return pointsFromNumber(Number(source))
}

function significantDigits(source: string): number {
  const [mantissa = ""] = source.split(/e/i, 1)
  return mantissa.replaceAll(/[^0-9]/g, "").replace(/^0+/, "").length
}

/**
 * Reads an amount from a number whose source text is not at hand. Undefined when it is negative, has
 * more than two decimals, or is too large to be exact.
 */
export function pointsFromNumber(value: number): Points | undefined {
  // The shortest text of a double is what the client wrote, up to 2^46 points (70 trillion).
  return readDecimal(String(value), "exact")
}

/**
 * Reads an amount from a JSON number's source text, rounded half up to two decimals: 1.005
 * becomes 1.01, which the double 1.005 (a little less) would not. Undefined when the text is not
 * a plain non-negative number, or is too large to be exact.
 */
export function roundToPoints(source: string): Points | undefined {
  return readDecimal(source, "half-up")
}

function readDecimal(source: string, rounding: "exact" | "half-up"): Points | undefined {
  if (source.length > DECIMAL_LENGTH_MAX) return undefined
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?)0*(\d+))?$/.exec(source)
  if (match === null) return undefined
  const [, sign = "", whole = "", fraction = "", exponentSign = "", exponent = "0"] = match

  const digits = BigInt(whole + fraction)
  if (digits === 0n) return NO_POINTS
  if (sign === "-") return undefined
  if (exponent.length > EXPONENT_DIGITS_MAX) return undefined
  // The amount is digits × 10^shift hundredths.
  const shift = Number(exponentSign + exponent) - fraction.length + DECIMALS
  if (shift > String(POINTS_MAX).length) return undefined
  const value = shift >= 0 ? digits * 10n ** BigInt(shift) : divide(digits, -shift, rounding)
  return value === undefined || value > BigInt(POINTS_MAX) ? undefined : (Number(value) as Points)
}

function divide(digits: bigint, places: number, rounding: "exact" | "half-up"): bigint | undefined {
  const divisor = 10n ** BigInt(places)
  if (rounding === "half-up") return (digits + divisor / 2n) / divisor
  return digits % divisor === 0n ? digits / divisor : undefined
}
