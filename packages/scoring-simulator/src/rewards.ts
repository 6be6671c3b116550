import { roundToPoints, type Points } from "@gofermart/shared/domain/points.ts"

/** What goods whose description contains `match` earn, in whatever case either is written. */
export interface Mechanic {
  match: string
  /** Percent of the price, or points per matching good: as `rewardType` says. */
  reward: number
  rewardType: "%" | "pt"
}

export interface Good {
  description: string
  /** In the currency of the shop, one unit of which is worth one point. */
  price: number
}

/** digits × 10^exponent: exact, unlike a double. */
interface Decimal {
  digits: bigint
  exponent: number
}

const ZERO: Decimal = { digits: 0n, exponent: 0 }
const PERCENT: Decimal = { digits: 1n, exponent: -2 }
const DECIMALS_NEEDED = 3

/**
 * The reward for an order: every good earns what the first of `mechanics` that matches it gives,
 * and the exact sum is rounded half up, once, to hundredths. Undefined when that is more than an
 * amount of points can be.
 *
 * Prices and rewards must be finite and not negative; others throw a RangeError.
 */
export function computeReward(
  goods: readonly Good[],
  mechanics: readonly Mechanic[],
): Points | undefined {
  let sum = ZERO
  for (const good of goods) {
    const description = good.description.toLowerCase()
    const mechanic = mechanics.find(({ match }) => description.includes(match.toLowerCase()))
    if (mechanic !== undefined) sum = add(sum, earn(good, mechanic))
  }
  const { digits, exponent } = dropDecimals(sum)
  return roundToPoints(`${digits}e${exponent}`)
}

function earn(good: Good, { reward, rewardType }: Mechanic): Decimal {
  switch (rewardType) {
    case "%":
      return multiply(multiply(toDecimal(good.price), toDecimal(reward)), PERCENT)
    case "pt":
      return toDecimal(reward)
  }
}

/** The shortest text of a double is what its sender wrote, for up to 15 digits. */
function toDecimal(value: number): Decimal {
  const match = /^(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value))
  if (match === null) throw new RangeError("a price or reward is not a number from 0")
  const [, whole = "", fraction = "", exponent = "0"] = match
  return { digits: BigInt(whole + fraction), exponent: Number(exponent) - fraction.length }
}

function multiply(a: Decimal, b: Decimal): Decimal {
  return { digits: a.digits * b.digits, exponent: a.exponent + b.exponent }
}

function add(a: Decimal, b: Decimal): Decimal {
  const exponent = Math.min(a.exponent, b.exponent)
  return { digits: atExponent(a, exponent) + atExponent(b, exponent), exponent }
}

/** Whether a hundredth is rounded up depends on the third decimal alone: the others can go. */
function dropDecimals({ digits, exponent }: Decimal): Decimal {
  const excess = -DECIMALS_NEEDED - exponent
  if (excess <= 0) return { digits, exponent }
  return { digits: digits / 10n ** BigInt(excess), exponent: -DECIMALS_NEEDED }
}

/** The digits of the same value with a smaller exponent. */
function atExponent({ digits, exponent }: Decimal, smaller: number): bigint {
  return digits * 10n ** BigInt(exponent - smaller)
}
