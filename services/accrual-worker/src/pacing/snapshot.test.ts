import { describe, expect, it } from "vitest"
import { afterCalls, afterRefusal, type LearnedLimit, noLimit } from "./learned-limit.ts"
import type { KnownPace, SharedPace } from "./shared-pace.ts"
import {
  isHoldingBack,
  isLongerPause,
  type PaceSnapshot,
  snapshotOf,
  withAnnouncedOutage,
} from "./snapshot.ts"

const NOW = 100_000
const REFUSAL = { pauseMs: 1_000, limitPerMinute: 600 }
/** Named, and answered once since. */
const LIMIT = afterCalls(afterRefusal(noLimit(0), REFUSAL, NOW - 2_000), 1, NOW)

function known(limit: LearnedLimit, other: Partial<SharedPace> = {}): KnownPace {
  const pace = { limit, downSince: null, recoveredAt: null, answerMs: 0, ...other }
  return { pace, isCurrent: true, pauseMs: 0, now: NOW }
}

describe("a snapshot", () => {
  it("of a pace that was never read says so, and limits no delay", () => {
    const unread = { pace: undefined, isCurrent: false, pauseMs: 7, now: 0 }
    expect(snapshotOf(unread, 3)).toEqual({
      pauseMs: 7,
      downForMs: undefined,
      perMinute: undefined,
      lastingPerMinute: null,
      waiting: 3,
    })
  })

  it("without limit, outage and pause has none of them", () => {
    expect(snapshotOf(known(noLimit(0)), 3)).toEqual({
      pauseMs: 0,
      downForMs: undefined,
      perMinute: null,
      lastingPerMinute: null,
      waiting: 3,
    })
  })

  it("has the limit, and for how long the scoring system has been down", () => {
    const down = known(LIMIT, { downSince: NOW - 5_000 })
    expect(snapshotOf(down, 0)).toMatchObject({
      downForMs: 5_000,
      perMinute: 570,
      lastingPerMinute: 570,
    })
  })

  it("tells what may begin now from what lasts: a poll a second, until one is answered", () => {
    const refused = known(afterRefusal(noLimit(0), REFUSAL, NOW))
    expect(snapshotOf(refused, 0)).toMatchObject({ perMinute: 60, lastingPerMinute: 570 })
  })
})

describe("a pause is told", () => {
  it("when it is longer than the one there is by more than 50 ms", () => {
    expect(isLongerPause(51, 0)).toBe(true)
    expect(isLongerPause(50, 0)).toBe(false)
    expect(isLongerPause(1_050, 1_000)).toBe(false)
    expect(isLongerPause(1_051, 1_000)).toBe(true)
  })
})

describe("an outage that the scoring system announces", () => {
  const up: PaceSnapshot = snapshotOf(known(LIMIT), 3)

  it("begins now, with its pause", () => {
    expect(withAnnouncedOutage(up, 1_000)).toEqual({ ...up, pauseMs: 1_000, downForMs: 0 })
  })

  it("is the one there is", () => {
    const down = { ...up, downForMs: 5_000 }
    expect(withAnnouncedOutage(down, 1_000)).toEqual({ ...down, pauseMs: 1_000 })
  })

  it("is none in the middle of a pause that is as long", () => {
    const paused = { ...up, pauseMs: 1_000 }
    expect(withAnnouncedOutage(paused, 1_050)).toBe(paused)
    expect(withAnnouncedOutage(paused, 1_051)).toMatchObject({ downForMs: 0 })
  })
})

describe("a worker may be without a poll although orders are due", () => {
  const isHeldBack = (pace: KnownPace, forMs: number) => isHoldingBack(snapshotOf(pace, 0), forMs)

  it("as long as it knows nothing", () => {
    const unread = { pace: undefined, isCurrent: false, pauseMs: 0, now: 0 }
    expect(isHeldBack(unread, 1_000_000_000)).toBe(true)
  })

  it("in an outage, however long it has been without one", () => {
    const down = known(noLimit(0), { downSince: NOW })
    expect(isHeldBack(down, 1_000_000_000)).toBe(true)
  })

  it("when fewer than a thousand are allowed for all in that time", () => {
    // 570 a minute are a thousand in 105.3 s.
    expect(isHeldBack(known(LIMIT), 105_000)).toBe(true)
    expect(isHeldBack(known(LIMIT), 106_000)).toBe(false)
    const thousand = { ...snapshotOf(known(LIMIT), 0), perMinute: 1_000 }
    expect(isHoldingBack(thousand, 60_000)).toBe(false)
    expect(isHoldingBack(thousand, 59_999)).toBe(true)
  })

  it("but not without a limit", () => {
    expect(isHeldBack(known(noLimit(0)), 0)).toBe(false)
  })
})
