import { describe, expect, test } from "vitest"
import { dueAt } from "./backlog.ts"
import type { PollJob } from "./poll-job.ts"

describe("when a job is due", () => {
  const due = (data: unknown) => dueAt({ data, timestamp: 1_000 } as PollJob)

  test("is when its worker put it off to, or when it was added", () => {
    expect(due({ number: "18", polls: 1, dueAt: 5_000 })).toBe(5_000)
    expect(due({ number: "18", polls: 0 })).toBe(1_000)
  })

  test.each([
    null,
    "text",
    { dueAt: 5_000 },
    ...[Number.NaN, Infinity, -1, 1e300, "5000", null].map((moment) => ({
      number: "18",
      polls: 0,
      dueAt: moment,
    })),
    ...[Number.NaN, Infinity, -1, 0.5, null].map((polls) => ({
      number: "18",
      polls,
      dueAt: 5_000,
    })),
  ])("is when it was added, if an operator has added anything: %j", (data) => {
    expect(due(data)).toBe(1_000)
  })
})
