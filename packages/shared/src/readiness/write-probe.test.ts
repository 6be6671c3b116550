import { pino } from "pino"
import { describe, expect, it, onTestFinished, vi } from "vitest"
import { NotWritableError, type Reason } from "./reasons.ts"
import { NEVER_ASKED, nextFinding, WriteProbe } from "./write-probe.ts"

/** Between two questions. */
const INTERVAL_MS = 1_000

const after = (answers: (Reason | undefined)[]) => answers.reduce(nextFinding, NEVER_ASKED).reason

describe("what is known of a server after its answers", () => {
  it("is nothing good before it was first written", () => {
    expect(after([])).toBe("connection_pending")
    expect(after(["unreachable"])).toBe("unreachable")
  })

  it("is good after one good answer", () => {
    expect(after([undefined])).toBeUndefined()
    expect(after(["replica", "replica", "replica", "replica", undefined])).toBeUndefined()
  })

  it("stays good until three in a row were bad", () => {
    expect(after([undefined, "no_answer", "no_answer"])).toBeUndefined()
    expect(after([undefined, "no_answer", "no_answer", undefined, "no_answer"])).toBeUndefined()
    expect(after([undefined, "unreachable", "starting", "replica"])).toBe("replica")
  })

  it("is the latest reason", () => {
    expect(after([undefined, "unreachable", "unreachable", "unreachable", "starting"])).toBe(
      "starting",
    )
  })
})

describe("a server that has not been written since the start", () => {
  it.each([
    { failures: 2, levels: [] },
    { failures: 3, levels: ["error", "info"] },
  ])("is an error in the log after three failures: $failures", async ({ failures, levels }) => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] })
    onTestFinished(() => void vi.useRealTimers())
    const lines: string[] = []
    const format = { level: (label: string) => ({ level: label }) }
    const logger = pino({ formatters: format }, { write: (line) => void lines.push(line) })
    let asked = 0
    const ask = async () => {
      asked += 1
      if (asked <= failures) throw new NotWritableError("no_answer")
    }
    const probe = new WriteProbe("queue", ask, logger)
    const stop = new AbortController()
    const watching = probe.watch(stop.signal)
    for (let bad = 0; bad < failures; bad++) {
      expect((await probe.finding()).reason).toBe("no_answer")
      await vi.advanceTimersByTimeAsync(INTERVAL_MS)
    }
    expect((await probe.finding()).reason).toBeUndefined()
    stop.abort()
    await watching
    expect(lines.map((line) => (JSON.parse(line) as { level: string }).level)).toEqual(levels)
  })
})
