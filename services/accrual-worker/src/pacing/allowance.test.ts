import { describe, expect, it } from "vitest"
import { allowanceOf, isRamping, queueHoldOf } from "./allowance.ts"
import { afterCalls, afterRefusal, noLimit } from "./learned-limit.ts"
import type { SharedPace } from "./shared-pace.ts"

const NOW = 100_000

function paceOf(perMinute: number | null, other: Partial<SharedPace> = {}): SharedPace {
  const limit =
    perMinute === null
      ? noLimit(0)
      : afterRefusal(noLimit(0), { pauseMs: 1_000, limitPerMinute: perMinute }, NOW - 2_000)
  // An answer has said that the pause is over.
  return {
    limit: afterCalls(limit, 1, NOW),
    downSince: null,
    recoveredAt: null,
    answerMs: 0,
    ...other,
  }
}

describe("allowanceOf", () => {
  it("sets none without a limit", () => {
    expect(allowanceOf(paceOf(null), NOW)).toBeUndefined()
  })

  it.each([
    [1, 0],
    [59, 0],
    [600, 0],
    [600, 200],
    [6_000, 0],
    [6_000, 10_000],
    [60_000, 5],
    [1_000_000, 0],
  ])("of %i a minute, answered in %i ms, is just under it", (perMinute, answerMs) => {
    const allowance = allowanceOf(paceOf(perMinute, { answerMs }), NOW)
    const { max, durationMs } = allowance ?? { max: 0, durationMs: 1 }
    const allowed = (max * 60_000) / durationMs
    expect(allowed).toBeLessThanOrEqual(perMinute * 0.95)
    expect(allowed).toBeGreaterThan(perMinute * 0.92)
  })

  it.each([600, 1_200, 6_000, 60_000])(
    "of %i a minute with quick answers allows no more in any second than the limit",
    (perMinute) => {
      const { max, durationMs } = allowanceOf(paceOf(perMinute), NOW) ?? { max: 0, durationMs: 1 }
      const begunInSecond = max * (Math.floor(999 / durationMs) + 1)
      expect(begunInSecond).toBeLessThanOrEqual(perMinute / 60)
    },
  )

  it("is for as long as two answers take, and a second at most", () => {
    const durationOf = (answerMs: number) =>
      allowanceOf(paceOf(6_000, { answerMs }), NOW)?.durationMs ?? 0
    expect(durationOf(200)).toBeGreaterThan(380)
    expect(durationOf(200)).toBeLessThanOrEqual(400)
    expect(durationOf(10_000)).toBeLessThanOrEqual(1_000)
  })

  it.each([null, 600])("is one a second in an outage, limit %s", (perMinute) => {
    const down = paceOf(perMinute, { downSince: NOW - 1 })
    expect(allowanceOf(down, NOW)).toEqual({ max: 1, durationMs: 1_000 })
  })

  it("is the limit's in an outage where that is lower", () => {
    const down = paceOf(10, { downSince: NOW - 1 })
    expect(allowanceOf(down, NOW)).toEqual(allowanceOf(paceOf(10), NOW))
  })

  it("is not held by an end of an outage that is yet to come, by a clock set back", () => {
    const back = paceOf(null, { recoveredAt: NOW + 3_600_000 })
    expect(allowanceOf(back, NOW)).toBeUndefined()
    expect(isRamping(back, NOW)).toBe(false)
  })

  it("grows from 50 a second after an outage to no limit within three seconds", () => {
    const back = paceOf(null, { recoveredAt: NOW })
    const perSecond = (ms: number) => {
      const { max, durationMs } = allowanceOf(back, NOW + ms) ?? { max: Infinity, durationMs: 1 }
      return (max * 1_000) / durationMs
    }
    const grown = [0, 250, 500, 1_000, 2_000].map((ms) => perSecond(ms))
    expect(grown[0]).toBeLessThanOrEqual(50)
    expect(grown).toEqual(grown.toSorted((a, b) => a - b))
    expect(grown[4]).toBeGreaterThan(10_000)
    expect(allowanceOf(back, NOW + 3_000)).toBeUndefined()
    expect([0, 2_000, 10_000].map((ms) => isRamping(back, NOW + ms))).toEqual([true, true, false])
  })

  it("is the limit's at once after an outage where one is known", () => {
    const back = paceOf(600, { recoveredAt: NOW })
    expect(allowanceOf(back, NOW)).toEqual(allowanceOf(paceOf(600), NOW))
  })
})

describe("the ramp after an outage", () => {
  it("ends after two and a half seconds, and a moment later the allowance no longer changes", () => {
    const recovered = paceOf(null, { recoveredAt: NOW })
    expect(allowanceOf(recovered, NOW + 2_499)).toBeDefined()
    expect(allowanceOf(recovered, NOW + 2_500)).toBeUndefined()
    expect(isRamping(recovered, NOW + 2_749)).toBe(true)
    expect(isRamping(recovered, NOW + 2_750)).toBe(false)
  })

  it("is none where there was no outage", () => {
    expect(isRamping(paceOf(null), NOW)).toBe(false)
    expect(isRamping(paceOf(null), 0)).toBe(false)
  })
})

describe("the queue is held", () => {
  const DOWN = paceOf(null, { downSince: NOW - 1 })
  const known = { pace: paceOf(600), isCurrent: true, pauseMs: 0, now: NOW }

  it("to what the fleet may begin, after the pause", () => {
    const limit = allowanceOf(paceOf(600), NOW)
    expect(queueHoldOf(known)).toEqual({ pauseMs: 0, limit })
    expect(queueHoldOf({ ...known, pauseMs: 7 })).toEqual({ pauseMs: 7, limit })
    expect(queueHoldOf({ ...known, pace: paceOf(null) })).toEqual({ pauseMs: 0, limit: undefined })
  })

  it("by a worker that does not know the row only in a pause or an outage", () => {
    const outdated = { ...known, isCurrent: false }
    expect(queueHoldOf(outdated)).toBeUndefined()
    expect(queueHoldOf({ ...outdated, pauseMs: 1 })).toMatchObject({ pauseMs: 1 })
    const slow = { max: 1, durationMs: 1_000 }
    expect(queueHoldOf({ ...outdated, pace: DOWN })).toEqual({ pauseMs: 0, limit: slow })
  })

  it("by no worker that has never read the row", () => {
    expect(queueHoldOf({ ...known, pace: undefined, pauseMs: 1 })).toBeUndefined()
  })
})
