import { describe, expect, it } from "vitest"
import { noLimit } from "./learned-limit.ts"
import { untilNextCheckMs, untilNextLookUpMs } from "./schedule.ts"
import type { KnownPace, SharedPace } from "./shared-pace.ts"

const NOW = 100_000

function known(pauseMs: number, other: Partial<SharedPace> = {}): KnownPace {
  const pace = { limit: noLimit(0), downSince: null, recoveredAt: null, answerMs: 0, ...other }
  return { pace, isCurrent: true, pauseMs, now: NOW }
}

describe("the queue is checked", () => {
  it("once a second, also before the pace has been read", () => {
    expect(untilNextCheckMs(known(0))).toBe(1_000)
    expect(untilNextCheckMs({ ...known(0), pace: undefined })).toBe(1_000)
  })

  it("ten times a second in a pause, and at its end", () => {
    expect(untilNextCheckMs(known(60_000))).toBe(100)
    expect(untilNextCheckMs(known(1))).toBe(1)
  })

  it("ten times a second while the fleet comes back from an outage", () => {
    expect(untilNextCheckMs(known(0, { recoveredAt: NOW - 1_000 }))).toBe(100)
    expect(untilNextCheckMs(known(0, { recoveredAt: NOW - 60_000 }))).toBe(1_000)
  })
})

describe("the row is looked up", () => {
  it.each([
    ["once a second", 0, 1_000],
    ["once a second in a long pause", 60_000, 1_000],
    ["at the end of a pause", 300, 300],
  ])("%s", (_when, pauseMs, untilMs) => {
    expect(untilNextLookUpMs(known(pauseMs))).toBe(untilMs)
  })
})
