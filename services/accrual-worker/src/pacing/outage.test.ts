import { describe, expect, it } from "vitest"
import { OutageDetector } from "./outage.ts"

const TIMEOUT_MS = 10_000

function detector() {
  return new OutageDetector(TIMEOUT_MS)
}

/** Calls that take no time, one after another. */
function call(outage: OutageDetector, at: number, isAnswered: boolean, times = 1): void {
  for (let i = 0; i < times; i++) outage.begin(at)(isAnswered, at)
}

describe("an outage is", () => {
  it("twenty failures in a row, however soon", () => {
    const outage = detector()
    call(outage, 1, false, 19)
    expect(outage.isDown(1)).toBe(false)
    call(outage, 1, false)
    expect(outage.isDown(1)).toBe(true)
  })

  it("five failures in a row that last a second", () => {
    const outage = detector()
    call(outage, 100, false, 4)
    expect(outage.isDown(5_000)).toBe(false)
    call(outage, 100, false)
    expect(outage.isDown(1_000)).toBe(false)
    expect(outage.isDown(1_100)).toBe(true)
  })

  it("no answer at all for half the time that one may take, to five calls", () => {
    const outage = detector()
    for (let i = 0; i < 4; i++) outage.begin(1_000)
    expect(outage.isDown(20_000)).toBe(false)
    outage.begin(1_500)
    expect(outage.isDown(5_999)).toBe(false)
    expect(outage.isDown(6_000)).toBe(true)
  })
})

describe("no outage is", () => {
  it("a failure now and then", () => {
    const outage = detector()
    for (let at = 0; at < 100_000; at += 100) call(outage, at, at % 500 === 0)
    expect(outage.isDown(100_000)).toBe(false)
  })

  it("a scoring system that is slow, and answers", () => {
    const outage = detector()
    const ends = Array.from({ length: 50 }, () => outage.begin(0))
    ends.forEach((end, i) => {
      expect(outage.isDown(4_000 * i)).toBe(false)
      end(true, 4_000 * (i + 1))
    })
  })

  it("one that is over: what began in it and fails later tells of that one", () => {
    const outage = detector()
    const ends = Array.from({ length: 100 }, () => outage.begin(0))
    outage.endElsewhere(5_000)
    call(outage, 6_000, true)
    for (const end of ends) end(false, 10_000)
    expect(outage.isDown(20_000)).toBe(false)
    call(outage, 20_000, false, 20)
    expect(outage.isDown(20_000)).toBe(true)
  })

  it("a scoring system that answers others, and not this worker", () => {
    const outage = detector()
    call(outage, 1, false, 20)
    expect(outage.isDown(1)).toBe(true)
    outage.endElsewhere(1_000)
    call(outage, 2_000, false, 1_000)
    for (let i = 0; i < 100; i++) outage.begin(2_000)
    expect(outage.isDown(60_000)).toBe(false)
  })
})

describe("failures", () => {
  it("count from the first of them: five within a second, and a second later, are an outage", () => {
    const outage = detector()
    for (const at of [5_000, 5_250, 5_500, 5_750, 6_000]) outage.begin(at)(false, at)
    expect(outage.isDown(6_000)).toBe(true)
  })

  it("count when their calls began in the instant of the last answer", () => {
    const outage = detector()
    outage.begin(5_000)(true, 5_000)
    for (let i = 0; i < 20; i++) outage.begin(5_000)(false, 5_001)
    expect(outage.isDown(5_001)).toBe(true)
  })
})
