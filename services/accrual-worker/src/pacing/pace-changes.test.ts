import { describe, expect, it } from "vitest"
import { afterCalls, afterRefusal, noLimit } from "./learned-limit.ts"
import { changeRow, learnFromRefusal, type PaceChange, reportAnswers } from "./pace-changes.ts"
import type { PaceRow, SharedPace } from "./shared-pace.ts"

const NOW = 100_000
const NO_PAUSE_MS = -Infinity
const REFUSAL = { pauseMs: 1_000, limitPerMinute: 600 }
const LIMIT = afterRefusal(noLimit(0), REFUSAL, NOW - 2_000)
const UNLIMITED: SharedPace = {
  limit: noLimit(0),
  downSince: null,
  recoveredAt: null,
  answerMs: 100,
}
const LIMITED: SharedPace = { ...UNLIMITED, limit: LIMIT }

describe("a report of answers", () => {
  const report = (pace: SharedPace, calls: number, answerMs: number) =>
    reportAnswers({ calls, answerMs })(pace, NOW, NO_PAUSE_MS)

  it("counts them for the limit", () => {
    expect(report(LIMITED, 3, 300).limit).toEqual(afterCalls(LIMIT, 3, NOW))
    expect(report(UNLIMITED, 3, 300).limit).toEqual(afterCalls(noLimit(0), 3, NOW))
  })

  it("without any lets the time go on under a limit, and changes nothing without one", () => {
    const late = { ...LIMIT, windowBeganAt: NOW - 60_000 }
    expect(report({ ...LIMITED, limit: late }, 0, 0).limit).toEqual(afterCalls(late, 0, NOW))
    expect(report(UNLIMITED, 0, 0)).toEqual(UNLIMITED)
  })

  it("moves the usual time of an answer by a fifth of the way to theirs", () => {
    expect(report(UNLIMITED, 4, 800).answerMs).toBe(120)
    expect(report(UNLIMITED, 4, 0).answerMs).toBe(80)
  })

  it("leaves the outage as it is", () => {
    const down = { ...UNLIMITED, downSince: 5, recoveredAt: 4 }
    expect(report(down, 1, 100)).toMatchObject({ downSince: 5, recoveredAt: 4 })
  })
})

describe("a refusal", () => {
  it("is learned from after the answers before it, and changes nothing else", () => {
    const unnamed = { pauseMs: 1_000, limitPerMinute: undefined }
    const pace = { ...UNLIMITED, downSince: 5 }
    expect(learnFromRefusal(unnamed, 50_000)(pace, NOW, NO_PAUSE_MS)).toEqual({
      ...pace,
      limit: afterRefusal(afterCalls(noLimit(0), 50_000, NOW), unnamed, NOW),
    })
  })
})

describe("a change of the row", () => {
  const same: PaceChange = (pace) => ({ ...pace })
  const row = (other: Partial<PaceRow> = {}): PaceRow => {
    const pausedUntil = null
    return { pace: LIMITED, version: 1n, pausedUntil, pauseMs: NO_PAUSE_MS, now: NOW, ...other }
  }

  it("is not written when it changes nothing, unless it is news", () => {
    expect(changeRow(row(), same, false)).toEqual({ pace: LIMITED, isToWrite: false })
    expect(changeRow(row(), same, true)).toEqual({ pace: LIMITED, isToWrite: true })
  })

  it("is written when it changes something", () => {
    const down: PaceChange = (pace) => ({ ...pace, downSince: NOW })
    const changed = { pace: { ...LIMITED, downSince: NOW }, isToWrite: true }
    expect(changeRow(row(), down, false)).toEqual(changed)
  })

  it("is told the database's time, and for how much longer the pause is", () => {
    const told: unknown[] = []
    const change: PaceChange = (pace, ...times) => {
      told.push(times)
      return pace
    }
    changeRow(row({ pauseMs: -7 }), change, false)
    expect(told).toEqual([[NOW, -7]])
  })

  describe("after a pause that was to last longer", () => {
    const paused = { ...LIMITED, limit: { ...LIMIT, windowBeganAt: NOW + 60_000 } }

    it.each([0, -1])("begins the minute when an operator has ended it (%i ms left)", (pauseMs) => {
      const { pace, isToWrite } = changeRow(row({ pace: paused, pauseMs }), same, false)
      expect(pace).toEqual({ ...paused, limit: { ...LIMIT, windowBeganAt: NOW } })
      expect(isToWrite).toBe(true)
    })

    it("leaves the minute as long as the pause is on, and one that has begun", () => {
      expect(changeRow(row({ pace: paused, pauseMs: 1 }), same, false).pace).toEqual(paused)
      const begun = { ...LIMITED, limit: { ...LIMIT, windowBeganAt: NOW - 1 } }
      expect(changeRow(row({ pace: begun, pauseMs: 0 }), same, false).pace).toEqual(begun)
    })
  })
})
