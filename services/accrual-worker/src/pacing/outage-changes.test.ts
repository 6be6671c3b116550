import { describe, expect, it } from "vitest"
import { noLimit } from "./learned-limit.ts"
import { goDown, recoverBy, stayDown } from "./outage-changes.ts"

const NO_PAUSE_MS = -Infinity
const up = { limit: noLimit(0), answerMs: 0, downSince: null, recoveredAt: null }
const down = { ...up, downSince: 10_000 }

describe("an outage is over by an answer", () => {
  const recoverAt = (now: number, polledAgoMs: number, pauseMs: number) =>
    recoverBy(() => polledAgoMs)(down, now, pauseMs).downSince

  it("that was polled for in it", () => {
    expect(recoverAt(20_000, 500, NO_PAUSE_MS)).toBeNull()
    expect(recoverAt(20_000, 500, -500)).toBeNull()
  })

  it("but not by one that was polled for before it", () => {
    expect(recoverAt(20_000, 10_001, NO_PAUSE_MS)).toBe(10_000)
  })

  it("but not by one that was polled for before a pause was over", () => {
    expect(recoverAt(20_000, 500, 1)).toBe(10_000)
    expect(recoverAt(20_000, 500, -499)).toBe(10_000)
  })

  it("when the database's clock was set back", () => {
    expect(recoverAt(5_000, 500, NO_PAUSE_MS)).toBeNull()
  })
})

it("an outage that is found begins anew, and one that says how long it lasts goes on", () => {
  expect(goDown(down, 20_000, 0).downSince).toBe(20_000)
  expect(stayDown(down, 20_000, 0).downSince).toBe(10_000)
  expect(stayDown(up, 20_000, 0).downSince).toBe(20_000)
})

describe("an answer", () => {
  const NOW = 100_000

  it("changes nothing where there is no outage", () => {
    expect(recoverBy(() => 5)(up, NOW, NO_PAUSE_MS)).toBe(up)
  })

  it("ends an outage that was found in the instant in which it was polled for, and none found later", () => {
    const recover = (downSince: number, polledAgoMs: number) =>
      recoverBy(() => polledAgoMs)({ ...up, downSince }, NOW, NO_PAUSE_MS).downSince
    expect(recover(NOW - 5, 5)).toBeNull()
    expect(recover(NOW, 5)).toBe(NOW)
  })
})
