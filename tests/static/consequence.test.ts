import { describeConsequence } from "@gofermart/scoring-conformance/consequence.ts"
import { describe, expect, it } from "vitest"
import { snapshotOf } from "../../services/accrual-worker/src/pacing/snapshot.ts"
import { decide } from "../../services/accrual-worker/src/settlement/decide.ts"

describe("what the kit says our client does", () => {
  const now = 0
  const hours = (count: number) => count * 3_600_000
  const step = (kind: "broken" | "unavailable", brokenSince?: number) =>
    decide(
      { kind, reason: "a reason" },
      {
        polled: { polls: 0, ...(brokenSince === undefined ? {} : { brokenSince }) },
        pace: snapshotOf({ pace: undefined, isCurrent: true, pauseMs: 0, now }, 0),
        random: () => 0.5,
      },
      now,
    )

  it("is what a worker does: how soon it polls again, and for how long", () => {
    expect(describeConsequence({ kind: "broken", reason: "a reason" })).toBe(
      "not usable: a reason; polls again for 6 h, then an operator's",
    )
    expect(step("broken", now - hours(6) + 1)).toMatchObject({ do: "poll_again" })
    expect(step("broken", now - hours(6))).toMatchObject({ do: "fail" })
    expect(describeConsequence({ kind: "unavailable", reason: "a reason" })).toBe(
      "no answer: a reason; polls again in about 1 s, then less and less often, without end",
    )
    expect(step("unavailable")).toMatchObject({ do: "poll_again", delayMs: 1_000 })
    expect(step("unavailable", now - hours(1_000))).toMatchObject({ do: "poll_again" })
  })
})
