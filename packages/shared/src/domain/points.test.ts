import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  addPoints,
  NO_POINTS,
  POINTS_MAX,
  pointsFromDecimal,
  pointsFromHundredths,
  pointsFromNumber,
  pointsFromSource,
  pointsToNumber,
  roundToPoints,
} from "./points.ts"

const SEED = 1

/** Texts of this form, the same in every run. */
function textsOf(form: RegExp, count: number): string[] {
  return fc.sample(fc.stringMatching(form, { size: "max" }), { seed: SEED, numRuns: count })
}

/**
 * Moves the decimal point of a number's text and cuts it there: what stands before the point are
 * whole hundredths. Another way than the one under test, which divides.
 */
function cutAtHundredths(text: string): { kept: bigint; cut: string } {
  const [mantissa = "", exponent = "0"] = text.split("e")
  const [whole = "", fraction = ""] = mantissa.split(".")
  const point = whole.length + Number(exponent) + 2
  const zerosBefore = Math.max(0, 1 - point)
  const digits = `${"0".repeat(zerosBefore)}${whole}${fraction}`.padEnd(point, "0")
  const cutAt = point + zerosBefore
  return { kept: BigInt(digits.slice(0, cutAt)), cut: digits.slice(cutAt) }
}

function whenSmallEnough(hundredths: bigint): number | undefined {
  return hundredths > BigInt(POINTS_MAX) ? undefined : Number(hundredths)
}

function expectedRounded(text: string): number | undefined {
  const { kept, cut } = cutAtHundredths(text)
  return whenSmallEnough(kept + (/^[5-9]/.test(cut) ? 1n : 0n))
}

function expectedExact(text: string): number | undefined {
  const { kept, cut } = cutAtHundredths(text)
  return /[1-9]/.test(cut) ? undefined : whenSmallEnough(kept)
}

describe("rounding a JSON number's text", () => {
  it.each([
    ["72.995", 7_300],
    ["72.994999999999999999999999999999", 7_299],
    ["1.005", 101],
    ["0.30000000000000004", 30],
    ["0.005", 1],
    ["0.0049999999999999999999", 0],
    ["1e-9", 0],
    ["5e-324", 0],
    ["0", 0],
    ["0.00", 0],
    ["-0", 0],
    ["-0.00", 0],
    ["10", 1_000],
    ["729.98", 72_998],
    ["500.5", 50_050],
    ["999.995", 100_000],
  ])("%s becomes %d hundredths", (source, hundredths) => {
    expect(roundToPoints(source)).toBe(hundredths)
  })

  it("rounds up where the nearest double, a little smaller, would go down", () => {
    for (const [source, hundredths] of [
      ["1.005", 101],
      ["2.675", 268],
      ["1.115", 112],
    ] as const) {
      expect(roundToPoints(Number(source).toFixed(2))).toBe(hundredths - 1)
      expect(roundToPoints(source)).toBe(hundredths)
    }
  })

  it.each([
    ["1e2", 10_000],
    ["1E2", 10_000],
    ["1e+2", 10_000],
    ["1e002", 10_000],
    ["12345e-3", 1_235],
    ["12344e-3", 1_234],
    ["0.0072995e4", 7_300],
    ["7299500e-5", 7_300],
    ["0e9999", 0],
    ["1e-9999", 0],
    ["9e13", 9_000_000_000_000_000],
  ])("reads the exponent of %s", (source, hundredths) => {
    expect(roundToPoints(source)).toBe(hundredths)
  })

  it.each(["-5", "-0.01", "-1e-9", "NaN", "Infinity", "-Infinity", "null", "", '"10"'])(
    "refuses %j",
    (source) => expect(roundToPoints(source)).toBeUndefined(),
  )

  it.each([" 1", "1 ", "1\n", "+1", ".5", "5.", "1e", "e5", "1e1.5", "1.2.3", "0x10", "1_000"])(
    "refuses %j, which is no plain number",
    (source) => expect(roundToPoints(source)).toBeUndefined(),
  )

  it("refuses digits of other scripts and decimal commas", () => {
    for (const source of ["１２", "١٢", "1,5", "1 000", "12n"]) {
      expect(roundToPoints(source)).toBeUndefined()
    }
  })

  it("reads up to 2^53 - 1 hundredths, and refuses what rounds to more", () => {
    expect(roundToPoints("90071992547409.91")).toBe(POINTS_MAX)
    expect(roundToPoints("90071992547409.914999")).toBe(POINTS_MAX)
    expect(roundToPoints("9007199254740991e-2")).toBe(POINTS_MAX)
    expect(roundToPoints("90071992547409.915")).toBeUndefined()
    expect(roundToPoints("90071992547409.92")).toBeUndefined()
    expect(roundToPoints("1e14")).toBeUndefined()
    expect(roundToPoints("1e309")).toBeUndefined()
    expect(roundToPoints("1e9999")).toBeUndefined()
  })

  it("reads a number of four hundred characters, and no longer one", () => {
    expect(roundToPoints("1".padStart(400, "0"))).toBe(100)
    expect(roundToPoints("1".padStart(401, "0"))).toBeUndefined()
  })

  it("refuses a number of absurd length, or with an absurd exponent, without computing it", () => {
    const long = "9".repeat(1_000_000)
    for (const source of [long, `0.${long}`, `1e${long}`, `1e-${long}`, `${long}e-${long}`]) {
      expect(roundToPoints(source)).toBeUndefined()
    }
    expect(roundToPoints("1e99999")).toBeUndefined()
    expect(roundToPoints("1e1000000000")).toBeUndefined()
    expect(roundToPoints("9e-1000000000")).toBeUndefined()
  })

  it("reads a long fraction to its last digit", () => {
    const nines = "9".repeat(300)
    expect(roundToPoints(`0.004${nines}`)).toBe(0)
    expect(roundToPoints(`0.005${"0".repeat(300)}`)).toBe(1)
    expect(roundToPoints(`${"0".repeat(300)}1.00`)).toBe(100)
  })

  it("agrees with moving the decimal point by hand, for 20,000 numbers", () => {
    const sources = textsOf(/^\d{1,16}(\.\d{1,8})?(e-?(1?\d|20))?$/, 20_000)
    const wrong = sources.filter((source) => roundToPoints(source) !== expectedRounded(source))
    expect(wrong).toEqual([])
  })

  it("rounds every half hundredth of a small amount up", () => {
    for (let hundredths = 0; hundredths < 10_000; hundredths++) {
      const [whole, fraction] = [Math.floor(hundredths / 100), hundredths % 100]
      const half = `${whole}.${String(fraction).padStart(2, "0")}5`
      expect([half, roundToPoints(half)]).toEqual([half, hundredths + 1])
    }
  })
})

describe("the text of an amount", () => {
  it("may have 400 characters, and no more", () => {
    const longest = `7.${"0".repeat(398)}`
    expect(roundToPoints(longest)).toBe(700)
    expect(roundToPoints(`${longest}0`)).toBeUndefined()
  })

  it("may have an exponent of four digits, and no longer one", () => {
    expect(roundToPoints("7e-9999")).toBe(0)
    expect(roundToPoints("7e-10000")).toBeUndefined()
  })
})

describe("reading a client's number", () => {
  it.each([
    [0, 0],
    [-0, 0],
    [0.01, 1],
    [0.1, 10],
    [751, 75_100],
    [729.98, 72_998],
    [72.99, 7_299],
    [1e9, 100_000_000_000],
    [9e13, 9_000_000_000_000_000],
  ])("reads %d exactly", (value, hundredths) => {
    expect(pointsFromNumber(value)).toBe(hundredths)
  })

  it.each([0.001, 72.995, 0.1 + 0.2, 1e-9, Number.MIN_VALUE, 1.0000000000000002])(
    "refuses %d, which has more than two decimals",
    (value) => expect(pointsFromNumber(value)).toBeUndefined(),
  )

  it.each([-1, -0.01, -1e-9, Number.NaN, Infinity, -Infinity])("refuses %d", (value) => {
    expect(pointsFromNumber(value)).toBeUndefined()
  })

  it.each([1e14, 1e18, 1e21, 1e300, Number.MAX_VALUE])(
    "refuses %d, which is too large to be exact",
    (value) => expect(pointsFromNumber(value)).toBeUndefined(),
  )

  it("agrees with moving the decimal point by hand, for 20,000 numbers", () => {
    const values = textsOf(/^0\.\d{1,15}e(1?\d|-\d|-10)$/, 20_000).map(Number)
    const isWrong = (value: number) => pointsFromNumber(value) !== expectedExact(String(value))
    expect(values.filter(isWrong)).toEqual([])
    expect(values.filter((value) => pointsFromNumber(value) === undefined)).not.toEqual([])
    expect(values.filter((value) => pointsFromNumber(value) !== undefined)).not.toEqual([])
  })
})

describe("reading the source text of a client's number", () => {
  it.each([
    ["1", 100],
    ["1.00", 100],
    ["1.100", 110],
    ["5e0", 500],
    ["100e-4", 1],
    ["1E+2", 10_000],
    ["0.010000000000000000000000000", 1],
    ["90071992547409.91", POINTS_MAX],
    ["0", 0],
    ["-0", 0],
    ["0e999", 0],
    ["0e99999", 0],
    ["1e00000000002", 10_000],
    ["1e0000002", 10_000],
    ["1E+0000002", 10_000],
    ["100e-0000000000004", 1],
    [`1e${"0".repeat(390)}`, 100],
  ])("reads %s as %d hundredths", (source, hundredths) => {
    expect(pointsFromSource(source)).toBe(hundredths)
  })

  it.each([
    ["729.98000000000002", 72_998],
    // No double is it; the nearest prints as 90071992547409.9.
    ["90071992547409.91000", 9_007_199_254_740_991],
    ["0.29999999999999999", 30],
    ["1.1000000000000001", 110],
    ["1.00000000000000001", 100],
    ["0.0100000000000000002081668171172168513294309377670288085938", 1],
    ["7.2998000000000002e2", 72_998],
  ])("reads %s, which has all digits of a double, as %d hundredths", (source, hundredths) => {
    expect(pointsFromSource(source)).toBe(hundredths)
  })

  it.each(["-1", "-0.01", "-729.98000000000002", "-1e-400", "-1e309"])("refuses %s", (source) => {
    expect(pointsFromSource(source)).toBeUndefined()
  })

  it.each([
    "0.001",
    "1e-400",
    "0.1e-1000",
    "72.995",
    // Fewer digits than a double has: somebody means them.
    "1.000000000000001",
    // As many, and the double is not one of two decimals.
    "0.30000000000000004",
    "1.0000000000000002",
    "72.994999999999997",
  ])("refuses %s, which has more than two decimals", (source) => {
    expect(pointsFromSource(source)).toBeUndefined()
  })

  it.each([
    "90071992547409.92",
    "90071992547409.915",
    "90071992547410",
    "1e18",
    "1e309",
    "1e99999",
    "1e00000000099",
    // Longer than any amount is read.
    `0.${"0".repeat(400)}1e401`,
  ])("refuses %s, which is too large to be exact", (source) => {
    expect(pointsFromSource(source)).toBeUndefined()
  })

  it("reads a text of any length", () => {
    expect(pointsFromSource(`1.${"0".repeat(1_000)}`)).toBe(100)
    expect(pointsFromSource("9".repeat(400))).toBeUndefined()
    expect(pointsFromSource("9".repeat(100_000))).toBeUndefined()
  })

  it.each(["", "1,5", "0x10", "NaN", "Infinity", "1 ", " 1", "+1"])(
    "refuses %j, which is no JSON number",
    (source) => expect(pointsFromSource(source)).toBeUndefined(),
  )

  it("reads what any double of two decimals is written as, in short or with 17 digits", () => {
    for (const hundredths of textsOf(/^\d{1,14}$/, 2_000).map(Number)) {
      const number = hundredths / 100
      expect(pointsFromSource(String(number))).toBe(hundredths)
      expect(pointsFromSource(number.toPrecision(17))).toBe(hundredths)
    }
  })
})

describe("writing an amount as a JSON number", () => {
  it("prints no more than two decimals", () => {
    for (const [hundredths, json] of [
      [0, "0"],
      [1, "0.01"],
      [10, "0.1"],
      [72_998, "729.98"],
      [50_050, "500.5"],
      [100_000_000_000, "1000000000"],
    ] as const) {
      expect(JSON.stringify(pointsToNumber(pointsFromHundredths(hundredths)))).toBe(json)
    }
  })

  it("loses nothing up to 2^46 points: what is written is read back", () => {
    const top = 2 ** 46 * 100
    const amounts = [
      ...Array.from({ length: 10_000 }, (_, i) => i),
      ...Array.from({ length: 10_000 }, (_, i) => top - i),
      ...fc.sample(fc.nat({ max: top }), { seed: SEED, numRuns: 10_000 }),
    ]
    for (const hundredths of amounts) {
      const number = pointsToNumber(pointsFromHundredths(hundredths))
      expect(pointsFromNumber(number)).toBe(hundredths)
      expect(roundToPoints(JSON.stringify(number))).toBe(hundredths)
    }
  })
})

describe("hundredths from SQL", () => {
  it("are read from a bigint and from a number", () => {
    expect(pointsFromHundredths(0n)).toBe(NO_POINTS)
    expect(pointsFromHundredths(72_998n)).toBe(72_998)
    expect(pointsFromHundredths(72_998)).toBe(72_998)
    expect(pointsFromHundredths(2n ** 53n - 1n)).toBe(POINTS_MAX)
  })

  it.each([2n ** 53n, 2n ** 63n - 1n, -1n, -1, 0.5, Number.NaN, Infinity, 2 ** 53])(
    "are refused with a RangeError when they are %s",
    (value) => expect(() => pointsFromHundredths(value)).toThrow(RangeError),
  )
})

describe("a numeric(18,2) column", () => {
  // Prisma's Decimal prints all its digits, never an exponent.
  const decimal = (text: string) => ({
    toFixed(decimals: number) {
      const [whole = "", fraction = ""] = text.split(".")
      return `${whole}.${fraction.padEnd(decimals, "0")}`
    },
  })

  it.each([
    ["0", 0],
    ["0.01", 1],
    ["0.1", 10],
    ["729.98", 72_998],
    ["500", 50_000],
    ["90071992547409.91", Number.MAX_SAFE_INTEGER],
  ])("holding %s is read to the last hundredth", (text, hundredths) => {
    expect(pointsFromDecimal(decimal(text))).toBe(hundredths)
  })

  it("is refused with a RangeError when it is negative or too large to be exact", () => {
    for (const text of ["-0.01", "-5", "90071992547409.92", "9999999999999999.99"]) {
      expect(() => pointsFromDecimal(decimal(text))).toThrow(RangeError)
    }
  })
})

describe("adding amounts", () => {
  it("is exact where binary fractions are not", () => {
    const sum = addPoints(pointsFromHundredths(10), pointsFromHundredths(20))
    expect(sum).toBe(30)
    expect(pointsToNumber(sum)).toBe(0.3)
  })

  it("throws a RangeError instead of losing a hundredth", () => {
    expect(addPoints(pointsFromHundredths(POINTS_MAX - 1), pointsFromHundredths(1))).toBe(
      POINTS_MAX,
    )
    expect(() => addPoints(POINTS_MAX, pointsFromHundredths(1))).toThrow(RangeError)
    expect(() => addPoints(POINTS_MAX, POINTS_MAX)).toThrow(RangeError)
  })
})
