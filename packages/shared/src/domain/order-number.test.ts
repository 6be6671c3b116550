import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  ORDER_NUMBER_LENGTH_MAX,
  parseNewOrderNumber,
  parseOrderNumber,
  withCheckDigit,
} from "./order-number.ts"

/** Digit strings of every length in turn, the same in every run. */
function digitStrings(count: number): string[] {
  const drawn = fc.sample(fc.stringMatching(/^\d{40}$/), { seed: 20_261_122, numRuns: count })
  return drawn.map((digits, i) => digits.slice(0, 1 + (i % 40)))
}

describe("an order number", () => {
  it.each([
    "79927398713",
    "49927398716",
    "12345678903",
    "2377225624",
    "9278923470",
    "346436439",
    "4539578763621486",
    "0",
    "18",
    "26",
    "34",
    "59",
  ])("is %s, which passes the Luhn check", (number) => {
    expect(parseOrderNumber(number)).toBe(number)
  })

  it.each(["79927398710", "49927398717", "1234567812345678", "2377225625", "1", "10", "19"])(
    "is not %s, which fails the Luhn check",
    (number) => expect(parseOrderNumber(number)).toBeUndefined(),
  )

  it("keeps its leading zeros: with and without them it is another number", () => {
    expect(parseOrderNumber("00018")).toBe("00018")
    expect(parseOrderNumber("018")).toBe("018")
    expect(parseOrderNumber("000")).toBe("000")
  })

  it("may have white space around it, which is no part of it", () => {
    for (const text of [" 18", "18 ", "\t18\r\n", "\u00a018\u2003", "\ufeff18\n\n"]) {
      expect(parseOrderNumber(text)).toBe("18")
    }
  })

  it.each(["1 8", "7992 7398 713", "7992-7398-713", "18\n18", "18\u0000", "18\u200b"])(
    "holds nothing but digits: %j is none",
    (text) => expect(parseOrderNumber(text)).toBeUndefined(),
  )

  it.each(["", " ", "\n", "abc", "18a", "a18", "0x12", "18n", "null", "undefined", "NaN"])(
    "is not %j",
    (text) => expect(parseOrderNumber(text)).toBeUndefined(),
  )

  it.each(["+18", "-18", "−18", "18.0", "1.8e1", "18e0", "1e1", "18,"])(
    "has no sign, no decimals and no exponent: %j is none",
    (text) => expect(parseOrderNumber(text)).toBeUndefined(),
  )

  it.each(["１８", "१८", "١٨", "𝟏𝟖", "①⑧", "1８"])("is of ASCII digits: %j is none", (text) =>
    expect(parseOrderNumber(text)).toBeUndefined(),
  )

  it("is of ASCII digits whatever other digits would sum up to", () => {
    const zeros = ["０", "٠", "०", "𝟎"]
    const numbers = zeros.flatMap((zero) =>
      Array.from({ length: 1_000 }, (_, i) =>
        String(i).replaceAll(/\d/g, (digit) =>
          String.fromCodePoint((zero.codePointAt(0) ?? 0) + Number(digit)),
        ),
      ),
    )
    expect(numbers).toContain("１８")
    expect(numbers.filter((number) => parseOrderNumber(number) !== undefined)).toEqual([])
  })

  it("has at most 255 digits", () => {
    const longest = withCheckDigit("7".repeat(ORDER_NUMBER_LENGTH_MAX - 1))
    expect(longest).toHaveLength(255)
    expect(parseOrderNumber(longest)).toBe(longest)
    expect(parseOrderNumber(` ${longest}\n`)).toBe(longest)
    expect(parseOrderNumber(`0${longest}`)).toBeUndefined()
    expect(parseOrderNumber("0".repeat(255))).toBe("0".repeat(255))
    expect(parseOrderNumber("0".repeat(256))).toBeUndefined()
  })

  it("is refused when it is absurdly long", () => {
    expect(parseOrderNumber("0".repeat(10_000))).toBeUndefined()
    expect(parseOrderNumber("7".repeat(10_000))).toBeUndefined()
    expect(parseOrderNumber(`${"1".repeat(1_000_000)}x`)).toBeUndefined()
    expect(parseOrderNumber(" ".repeat(1_000_000))).toBeUndefined()
  })

  it("is never rounded, as a JavaScript number of its length would be", () => {
    const number = withCheckDigit("12345678901234567890")
    expect(parseOrderNumber(number)).toBe(number)
    expect(BigInt(Number(number))).not.toBe(BigInt(number))
  })
})

describe("the number of an order that comes in", () => {
  it.each(["0", "00", "0000000000", " 000\n", "0".repeat(ORDER_NUMBER_LENGTH_MAX)])(
    "is not %j: zeros alone number no order, but one that is there is read",
    (text) => {
      expect(parseNewOrderNumber(text)).toBeUndefined()
      expect(parseOrderNumber(text)).toBe(text.trim())
    },
  )

  it.each(["18", "00018", " 2377225624\n", `${"0".repeat(253)}18`])("is %j", (text) =>
    expect(parseNewOrderNumber(text)).toBe(text.trim()),
  )

  it.each(["", "abc", "19", "１８"])("is not %j, which is no order number at all", (text) =>
    expect(parseNewOrderNumber(text)).toBeUndefined(),
  )
})

describe("the Luhn check", () => {
  it("accepts exactly one check digit after any digits", () => {
    for (const digits of digitStrings(400)) {
      const accepted = [..."0123456789"].filter((check) => parseOrderNumber(digits + check))
      expect(accepted).toHaveLength(1)
      expect(withCheckDigit(digits)).toBe(digits + accepted[0])
    }
  })

  it("notices any single wrong digit", () => {
    const mistyped = digitStrings(80).flatMap((digits) => {
      const number = withCheckDigit(digits)
      return Array.from(number, (digit, i) => {
        const wrong = (Number(digit) + 1 + (i % 9)) % 10
        return `${number.slice(0, i)}${wrong}${number.slice(i + 1)}`
      })
    })
    expect(mistyped.filter((number) => parseOrderNumber(number) !== undefined)).toEqual([])
  })

  it("notices two neighbours swapped, save for 09 and 90", () => {
    for (const digits of digitStrings(80)) {
      const number = withCheckDigit(digits)
      for (let i = 0; i + 1 < number.length; i++) {
        const [a, b] = [number.charAt(i), number.charAt(i + 1)]
        const swapped = `${number.slice(0, i)}${b}${a}${number.slice(i + 2)}`
        const unnoticed = a === b || a + b === "09" || a + b === "90"
        expect([swapped, parseOrderNumber(swapped) !== undefined]).toEqual([swapped, unnoticed])
      }
    }
  })

  it("does not depend on zeros before the number", () => {
    for (const digits of digitStrings(40)) {
      const number = withCheckDigit(digits)
      expect(parseOrderNumber(`000${number}`)).toBe(`000${number}`)
      expect(parseOrderNumber(`0${number}`)).toBe(`0${number}`)
    }
  })
})

describe("completing digits with a check digit", () => {
  it("gives the number that the check accepts", () => {
    expect(withCheckDigit("7992739871")).toBe("79927398713")
    expect(withCheckDigit("237722562")).toBe("2377225624")
  })

  it("throws a RangeError for what no digit can complete", () => {
    for (const text of ["abc", "-1", "1.", "7".repeat(ORDER_NUMBER_LENGTH_MAX)]) {
      expect(() => withCheckDigit(text)).toThrow(RangeError)
    }
  })
})
