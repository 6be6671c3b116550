import { describe, expect, it } from "vitest"
import { parseRetryAfter, readRetryAfter } from "./retry-after.ts"

const NOW = new Date("2026-11-22T12:00:00Z")
const DEFAULT_MS = 60_000
const SHORTEST_MS = 1_000
const LONGEST_MS = 600_000

const read = (header: string | undefined) => readRetryAfter(header, NOW)
/** The date so many seconds from now, as HTTP writes it. */
const httpDate = (seconds: number) => new Date(NOW.getTime() + seconds * 1_000).toUTCString()

describe("Retry-After in seconds", () => {
  it.each([
    ["1", 1_000],
    ["30", 30_000],
    ["60", 60_000],
    ["600", 600_000],
    ["007", 7_000],
    [" 30 ", 30_000],
  ])("of %j is a pause of %d ms", (header, ms) => {
    expect(read(header)).toBe(ms)
  })

  it.each(["0", "-0", "-1", "-1000000000"])("of %s is the shortest pause", (header) => {
    expect(read(header)).toBe(SHORTEST_MS)
  })

  it.each(["601", "86400", "1000000000", "9".repeat(400)])(
    "of %s is the longest pause",
    (header) => {
      expect(read(header)).toBe(LONGEST_MS)
    },
  )
})

describe("Retry-After as a date", () => {
  it("is a pause until then, by the given clock", () => {
    expect(httpDate(30)).toBe("Sun, 22 Nov 2026 12:00:30 GMT")
    expect(read(httpDate(30))).toBe(30_000)
    expect(read(httpDate(1))).toBe(1_000)
    expect(read(httpDate(600))).toBe(600_000)
    const halfASecondLater = new Date(NOW.getTime() + 500)
    expect(readRetryAfter(httpDate(30), halfASecondLater)).toBe(29_500)
  })

  it("may be written in the obsolete way of RFC 850", () => {
    expect(read("Sunday, 22-Nov-26 12:00:30 GMT")).toBe(30_000)
  })

  it("may be written as C's asctime writes it, which is of no other zone", () => {
    expect(read("Sun Nov 22 12:00:30 2026")).toBe(30_000)
    const inDecember = new Date("2026-12-01T12:00:00Z")
    expect(readRetryAfter("Tue Dec  1 12:00:30 2026", inDecember)).toBe(30_000)
  })

  it.each([
    "Sun, 22 Nov 2026 12:01:00 GMT",
    "Sunday, 22-Nov-26 12:01:00 GMT",
    "Sun Nov 22 12:01:00 2026",
  ])("has nothing before it or behind it: %s", (date) => {
    expect(parseRetryAfter(date, NOW)).toBe(60_000)
    for (const more of [`not ${date}`, `${date} (or so)`]) {
      expect(parseRetryAfter(more, NOW)).toBeUndefined()
    }
  })

  it("that is now or past is the shortest pause", () => {
    for (const seconds of [0, -1, -3_600, -1_000_000_000]) {
      expect(read(httpDate(seconds))).toBe(SHORTEST_MS)
    }
  })

  it("that is far away is the longest pause", () => {
    for (const seconds of [601, 86_400, 1_000_000_000]) {
      expect(read(httpDate(seconds))).toBe(LONGEST_MS)
    }
  })
})

describe("a 429 without a usable Retry-After", () => {
  it("is a pause of the default when there is none", () => {
    expect(read(undefined)).toBe(DEFAULT_MS)
    expect(read("")).toBe(DEFAULT_MS)
    expect(read("   ")).toBe(DEFAULT_MS)
  })

  it.each(["soon", "10^9", "1e3", "0x10", "-", "60 seconds", "NaN", "Infinity", "null", "١٢"])(
    "is a pause of the default when it is %j",
    (header) => expect(read(header)).toBe(DEFAULT_MS),
  )

  it("never pauses for less than the shortest nor for more than the longest", () => {
    const headers = ["1.5", "1, 2", "60; 60", "Sun, 99 Nov 2026", "tomorrow at 5", "\u0000", "🕐"]
    for (const header of headers) {
      expect(read(header)).toBeGreaterThanOrEqual(SHORTEST_MS)
      expect(read(header)).toBeLessThanOrEqual(LONGEST_MS)
    }
  })
})
