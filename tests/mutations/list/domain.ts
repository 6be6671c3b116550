import { mutationsOf } from "../mutation.ts"
import { DOMAIN_RUNS } from "../test-runs.ts"

const folder = "packages/shared/src/domain"

export const domainMutations = [
  ...mutationsOf({ file: `${folder}/points.ts` }, DOMAIN_RUNS, [
    [
      "an amount may be negative",
      "!Number.isSafeInteger(number) || number < 0",
      "!Number.isSafeInteger(number)",
    ],
    ["an amount may be inexact", "Number.isSafeInteger(number)", "Number.isInteger(number)"],
    ["a sum may be inexact", "return pointsFromHundredths(a + b)", "return (a + b) as Points"],
    ["there are three decimals", "const DECIMALS = 2", "const DECIMALS = 3"],
    [
      "an amount may be ten thousand characters long",
      "DECIMAL_LENGTH_MAX = 400",
      "DECIMAL_LENGTH_MAX = 10_000",
    ],
    ["an exponent may have six digits", "EXPONENT_DIGITS_MAX = 4", "EXPONENT_DIGITS_MAX = 6"],
    ["a minus sign is ignored", `  if (sign === "-") return undefined\n`, ""],
    [
      "minus zero is refused",
      `  if (digits === 0n) return NO_POINTS\n  if (sign === "-") return undefined\n`,
      `  if (sign === "-") return undefined\n  if (digits === 0n) return NO_POINTS\n`,
    ],
    ["the largest amount is refused", "value > BigInt(POINTS_MAX)", "value >= BigInt(POINTS_MAX)"],
    [
      "an amount may be too large to be exact",
      "value === undefined || value > BigInt(POINTS_MAX) ?",
      "value === undefined ?",
    ],
    [
      "the scoring system's amounts are rounded down",
      "(digits + divisor / 2n) / divisor",
      "digits / divisor",
    ],
    [
      "half a hundredth is rounded down",
      "(digits + divisor / 2n) / divisor",
      "(digits + divisor / 2n - 1n) / divisor",
    ],
    [
      "a client's third decimal is cut off",
      "digits % divisor === 0n ? digits / divisor : undefined",
      "digits / divisor",
    ],
    [
      "a client's amounts are rounded",
      `readDecimal(String(value), "exact")`,
      `readDecimal(String(value), "half-up")`,
    ],
    [
      "text around a number is ignored",
      "/^(-?)(\\d+)(?:\\.(\\d+))?(?:[eE]([+-]?)0*(\\d+))?$/",
      "/(-?)(\\d+)(?:\\.(\\d+))?(?:[eE]([+-]?)0*(\\d+))?/",
    ],
  ]),
  ...mutationsOf({ file: `${folder}/order-number.ts` }, DOMAIN_RUNS, [
    ["white space around it is refused", "text.trim()", "text"],
    ["it may be 256 digits long", "ORDER_NUMBER_LENGTH_MAX = 255", "ORDER_NUMBER_LENGTH_MAX = 256"],
    ["it may be empty", "/^[0-9]+$/", "/^[0-9]*$/"],
    ["it may begin with anything", "/^[0-9]+$/", "/[0-9]+$/"],
    ["zeros alone number an order that comes in", "/[^0]/.test(number)", "number !== undefined"],
    ["the check digit is not checked", "&& passesLuhn(number) ?", "?"],
    ["the wrong digits count double", "i % 2 === 1", "i % 2 === 0"],
    ["a doubled digit is not summed up", "doubled > 9 ? doubled - 9 : doubled", "doubled"],
  ]),
  ...mutationsOf({ file: `${folder}/accrual-status.ts` }, DOMAIN_RUNS, [
    [
      "a client sees UNREGISTERED as PROCESSING",
      `UNREGISTERED: {\n    shownAs: "INVALID"`,
      `UNREGISTERED: {\n    shownAs: "PROCESSING"`,
    ],
  ]),
]
