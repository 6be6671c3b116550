import { describe, expect, it } from "vitest"
import {
  backoffMs,
  fleetDelayMs,
  unknownOrderDelayMs,
  outageDelayMs,
  pacedDelayMs,
} from "./delays.ts"

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Chance at its least, in the middle, and at its most: `Math.random` stays below 1. */
const LEAST = () => 0
const MIDDLE = () => 0.5
const MOST = () => 1 - 2 ** -53

describe("the backoff", () => {
  it.each([
    [0, 1_000],
    [1, 2_000],
    [2, 4_000],
    [3, 8_000],
    [4, 16_000],
    [5, 32_000],
    [6, 50_000],
    [7, 50_000],
    [100, 50_000],
    [1_000_000, 50_000],
  ])("after %d polls is %d ms", (polls, ms) => {
    expect(backoffMs(polls, MIDDLE)).toBe(ms)
  })

  it("varies by a fifth to both sides, and no more", () => {
    for (const [polls, least, most] of [
      [0, 800, 1_200],
      [3, 6_400, 9_600],
      [9, 40_000, 60_000],
    ] as const) {
      expect(backoffMs(polls, LEAST)).toBe(least)
      expect(backoffMs(polls, MOST)).toBe(most)
    }
  })

  it("spreads the orders of one moment over the whole width of the jitter", () => {
    const delays = Array.from({ length: 101 }, (_, i) => backoffMs(6, () => i / 101))
    expect(new Set(delays).size).toBe(101)
    expect(delays).toEqual(delays.toSorted((a, b) => a - b))
  })

  it("is a whole number of milliseconds, as the queue wants it", () => {
    for (let polls = 0; polls < 10; polls++) {
      expect(backoffMs(polls, () => Math.SQRT1_2)).toSatisfy(Number.isInteger)
    }
  })
})

describe("the delay of an unknown order", () => {
  const delay = (ageMs: number, random = MIDDLE) =>
    unknownOrderDelayMs({ ageMs, unknownMs: 0, graceMs: 100 * DAY_MS }, random)

  it.each([
    ["just uploaded", 0, 1_000],
    ["4 s old", 4_000, 1_000],
    ["8 s old", 8_000, 2_000],
    ["a minute old", 60_000, 15_000],
    ["an hour old", HOUR_MS, HOUR_MS / 4],
    ["4 h old", 4 * HOUR_MS, HOUR_MS / 1.2],
    ["a day old", DAY_MS, HOUR_MS / 1.2],
    ["a year old", 365 * DAY_MS, HOUR_MS / 1.2],
  ])("that is %s is a quarter of its age, from 1 s to under 1 h", (_, ageMs, ms) => {
    expect(delay(ageMs)).toBe(ms)
  })

  it("varies by a fifth to both sides, and no more", () => {
    expect(delay(60_000, LEAST)).toBe(12_000)
    expect(delay(60_000, MOST)).toBe(18_000)
  })

  it("is cut so that the last poll comes right after the end of the grace time", () => {
    const order = { ageMs: DAY_MS, unknownMs: DAY_MS - 60_000, graceMs: DAY_MS }
    for (const random of [LEAST, MIDDLE, MOST]) {
      expect(unknownOrderDelayMs(order, random)).toBeGreaterThan(60_000)
      expect(unknownOrderDelayMs(order, random)).toBeLessThanOrEqual(60_100)
    }
  })

  it("is short, and not negative, once the grace time is over", () => {
    const order = { ageMs: 2 * DAY_MS, unknownMs: 2 * DAY_MS, graceMs: DAY_MS }
    expect(unknownOrderDelayMs(order, MOST)).toBeGreaterThan(0)
    expect(unknownOrderDelayMs(order, MOST)).toBeLessThanOrEqual(100)
    expect(unknownOrderDelayMs({ ...order, graceMs: 0 }, LEAST)).toBeGreaterThan(0)
  })

  it("never leads much past the end of the grace time, however old the order is", () => {
    for (const graceMs of [0, 1_000, 3_000, 60_000, DAY_MS]) {
      for (let unknownMs = 0; unknownMs <= graceMs; unknownMs += graceMs / 50 + 1) {
        for (const ageMs of [unknownMs, unknownMs + HOUR_MS, unknownMs + 30 * DAY_MS]) {
          const next = unknownMs + unknownOrderDelayMs({ ageMs, unknownMs, graceMs }, MOST)
          expect(next).toBeGreaterThan(unknownMs)
          expect(next).toBeLessThanOrEqual(graceMs + 100)
        }
      }
    }
  })

  it.each([
    ["three seconds", 3_000, 10],
    ["24 hours", DAY_MS, 100],
  ])("polls a bounded number of times in a grace time of %s", (_, graceMs, pollsMax) => {
    for (const random of [LEAST, MIDDLE, MOST]) {
      let polls = 0
      let unknownMs = 0
      for (; unknownMs < graceMs && polls <= pollsMax; polls++) {
        unknownMs += unknownOrderDelayMs({ ageMs: unknownMs, unknownMs, graceMs }, random)
      }
      expect(polls).toBeLessThanOrEqual(pollsMax)
      expect(unknownMs).toBeLessThanOrEqual(graceMs + 100)
    }
  })
})

describe("the delay under a limit", () => {
  const delay = (delayMs: number, waiting: number, perMinute: number | null) =>
    pacedDelayMs(delayMs, { waiting, perMinute }, MIDDLE)

  it("is what it is without one", () => {
    expect(delay(1_000, 1_000_000, null)).toBe(1_000)
  })

  it("is the time in which each order that waits can be polled twice", () => {
    expect(delay(1_000, 600, 600)).toBe(120_000)
    expect(pacedDelayMs(1_000, { waiting: 600, perMinute: 600 }, LEAST)).toBe(96_000)
    expect(pacedDelayMs(1_000, { waiting: 600, perMinute: 600 }, MOST)).toBe(144_000)
  })

  it("is no shorter than it would be, and no longer than an hour for the sake of others", () => {
    expect(delay(60_000, 10, 600)).toBe(60_000)
    expect(pacedDelayMs(1_000, { waiting: 1_000_000, perMinute: 1 }, MOST)).toBe(HOUR_MS)
    expect(delay(2 * HOUR_MS, 1_000_000, 1)).toBe(2 * HOUR_MS)
  })
})

describe("the delay in an outage", () => {
  it("is as long as that has lasted, to an hour, and no shorter than it would be", () => {
    expect(outageDelayMs(1_000, 0, MIDDLE)).toBe(1_000)
    expect(outageDelayMs(1_000, 300, MIDDLE)).toBe(1_000)
    expect(outageDelayMs(1_000, 300_000, MIDDLE)).toBe(300_000)
    expect(outageDelayMs(1_000, 300_000, LEAST)).toBe(240_000)
    expect(outageDelayMs(1_000, DAY_MS, MOST)).toBe(HOUR_MS)
  })
})

describe("the delay at the fleet's pace", () => {
  const limited = {
    pauseMs: 0,
    downForMs: undefined,
    perMinute: 60,
    lastingPerMinute: 600,
    waiting: 600,
  }

  it("is the limit's by what lasts, not by what may begin now", () => {
    expect(fleetDelayMs(1_000, limited, MIDDLE)).toBe(120_000)
    expect(fleetDelayMs(1_000, { ...limited, lastingPerMinute: null }, MIDDLE)).toBe(1_000)
  })

  it("is the outage's from its first moment, whatever the limit is", () => {
    expect(fleetDelayMs(1_000, { ...limited, downForMs: 0 }, MIDDLE)).toBe(1_000)
    expect(fleetDelayMs(1_000, { ...limited, downForMs: 60_000 }, MIDDLE)).toBe(60_000)
  })
})
