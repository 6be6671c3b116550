import { pointsFromHundredths } from "@gofermart/shared/domain/points.ts"
import type { Settlement } from "@gofermart/shared/ledger/settle-accruals.ts"
import { describe, expect, it } from "vitest"
import type { Answer } from "@gofermart/scoring-client/answer.ts"
import { decide, decideNext } from "./decide.ts"

const DAY_MS = 86_400_000
const GRACE_MS = DAY_MS
/** Delays without jitter. */
const MIDDLE = () => 0.5
const NOW = 1_800_000_000_000
const HOUR_MS = 3_600_000
const FIRST_POLL = { polls: 0 }

const PROCESSED = { kind: "PROCESSED", points: pointsFromHundredths(72_998) } as const
const INVALID = { kind: "INVALID" } as const
const NOT_FINAL = { kind: "NOT_FINAL" } as const
const NOT_REGISTERED = { kind: "NOT_REGISTERED" } as const
const BROKEN: Answer = { kind: "broken", reason: "it answered about another order" }
const UNAVAILABLE: Answer = { kind: "unavailable", reason: "it answered 503" }

function settlement(outcome: Settlement["outcome"], times: Partial<Settlement> = {}): Settlement {
  return { outcome, ageMs: 0, unknownMs: null, ...times }
}

describe("a valid answer", () => {
  it.each([PROCESSED, INVALID, NOT_FINAL, NOT_REGISTERED])(
    "goes to the ledger as it is: $kind",
    (answer) => {
      const step = decide({ kind: "valid", answer }, FIRST_POLL, NOW, MIDDLE)
      expect(step).toEqual({ do: "apply", answer })
    },
  )

  it("goes to the ledger however often the order was asked about before", () => {
    const polled = { polls: 10_000, brokenSince: NOW - DAY_MS }
    const step = decide({ kind: "valid", answer: PROCESSED }, polled, NOW, MIDDLE)
    expect(step).toEqual({ do: "apply", answer: PROCESSED })
  })
})

describe("429", () => {
  it("pauses for the time it says, and nothing else happens to the order", () => {
    for (const pauseMs of [1_000, 60_000, 600_000]) {
      const step = decide({ kind: "too_many_requests", pauseMs }, FIRST_POLL, NOW, MIDDLE)
      expect(step).toEqual({ do: "pause", refusal: { pauseMs } })
    }
  })

  it("does not fail an order that is about to", () => {
    const polled = { polls: 9, brokenSince: NOW - DAY_MS }
    const step = decide({ kind: "too_many_requests", pauseMs: 1_000 }, polled, NOW, MIDDLE)
    expect(step).toEqual({ do: "pause", refusal: { pauseMs: 1_000 } })
  })
})

describe("5xx, timeout, refused, reset", () => {
  it.each([
    [0, 1_000],
    [1, 2_000],
    [2, 4_000],
    [6, 50_000],
    [50, 50_000],
  ])("after %d polls asks again in %d ms", (polls, delayMs) => {
    const step = decide(UNAVAILABLE, { polls }, NOW, MIDDLE)
    const lastAnswer = "it answered 503"
    expect(step).toEqual({ do: "ask_again", delayMs, lastAnswer })
  })

  it("never gives the order up", () => {
    const step = decide(UNAVAILABLE, { polls: 1_000_000, brokenSince: NOW - DAY_MS }, NOW, MIDDLE)
    expect(step.do).toBe("ask_again")
  })

  it("neither counts as a broken answer nor forgives those before it", () => {
    const step = decide(UNAVAILABLE, { polls: 4, brokenSince: NOW - 5 }, NOW, MIDDLE)
    expect(step).toMatchObject({ do: "ask_again", brokenSince: NOW - 5 })
  })
})

describe("an answer that cannot be used", () => {
  it("is remembered by when it began, and the order asked about again with backoff", () => {
    const first = decide(BROKEN, { polls: 3 }, NOW, MIDDLE)
    const lastAnswer = "it answered about another order"
    expect(first).toEqual({ do: "ask_again", delayMs: 8_000, brokenSince: NOW, lastAnswer })
    const later = decide(BROKEN, { polls: 3, brokenSince: NOW - HOUR_MS }, NOW, MIDDLE)
    expect(later).toMatchObject({ do: "ask_again", brokenSince: NOW - HOUR_MS })
  })

  it("fails the order visibly when there was no other for six hours", () => {
    const polls = 400
    const almost = decide(BROKEN, { polls, brokenSince: NOW - 6 * HOUR_MS + 1 }, NOW, MIDDLE)
    expect(almost.do).toBe("ask_again")
    expect(decide(BROKEN, { polls, brokenSince: NOW - 6 * HOUR_MS }, NOW, MIDDLE)).toEqual({
      do: "fail",
      reason: "No answer could be used for 6 h. The last: it answered about another order.",
    })
  })

  it("is forgiven after one that can be used", () => {
    const polled = { polls: 9, brokenSince: NOW - HOUR_MS }
    for (const answer of [NOT_FINAL, NOT_REGISTERED]) {
      const next = decideNext(answer, settlement("waiting"), polled, GRACE_MS, MIDDLE)
      expect(next.do).toBe("ask_again")
      expect(next).not.toHaveProperty("brokenSince")
    }
  })
})

describe("a balance that somebody holds", () => {
  it("puts the order off with backoff", () => {
    const next = decideNext(PROCESSED, settlement("locked"), { polls: 2 }, GRACE_MS, MIDDLE)
    expect(next).toMatchObject({ do: "ask_again", delayMs: 4_000 })
  })
})

describe("PROCESSED and INVALID", () => {
  it.each([
    ["settled now", "settled"],
    ["settled before by the same verdict", "already_settled"],
    ["awaited by nobody", "not_awaited"],
  ] as const)("finish the job of an order that is %s", (_, outcome) => {
    for (const answer of [PROCESSED, INVALID]) {
      const next = decideNext(answer, settlement(outcome), FIRST_POLL, GRACE_MS, MIDDLE)
      expect(next).toEqual({ do: "finish", contradicted: false })
    }
  })

  it("finish the job, and say so, when another verdict was first", () => {
    for (const answer of [PROCESSED, INVALID]) {
      const next = decideNext(answer, settlement("contradicted"), FIRST_POLL, GRACE_MS, MIDDLE)
      expect(next).toEqual({ do: "finish", contradicted: true })
    }
  })
})

describe("REGISTERED and PROCESSING", () => {
  it.each([
    [0, 1_000],
    [1, 2_000],
    [5, 32_000],
    [6, 50_000],
    [1_000, 50_000],
  ])("after %d polls ask again in %d ms, however old the order is", (polls, delayMs) => {
    const polled = { polls }
    const waiting = settlement("waiting", { ageMs: 30 * DAY_MS })
    expect(decideNext(NOT_FINAL, waiting, polled, GRACE_MS, MIDDLE)).toEqual({
      do: "ask_again",
      delayMs,
      lastAnswer: "not final",
    })
  })

  it.each(["already_settled", "not_awaited", "settled"] as const)(
    "finish the job of an order that is no longer waiting: %s",
    (outcome) => {
      const next = decideNext(NOT_FINAL, settlement(outcome), FIRST_POLL, GRACE_MS, MIDDLE)
      expect(next).toEqual({ do: "finish", contradicted: false })
    },
  )
})

describe("204", () => {
  const decideUnknown = (ageMs: number | null, unknownMs: number | null, polls = 0) => {
    const waiting = settlement("waiting", { ageMs, unknownMs })
    return decideNext(NOT_REGISTERED, waiting, { polls }, GRACE_MS, MIDDLE)
  }

  it.each([
    ["1 s, for a new order", 0, 1_000],
    ["a quarter of its age, for one of 40 s", 40_000, 10_000],
    ["under 1 h, for one of 5 h", 5 * 3_600_000, 3_000_000],
  ])("asks again after %s", (_, ageMs, delayMs) => {
    expect(decideUnknown(ageMs, 0)).toEqual({
      do: "ask_again",
      delayMs,
      lastAnswer: "not registered",
    })
  })

  it("grows with the order's age, not with the number of polls", () => {
    expect(decideUnknown(40_000, 0, 0)).toEqual(decideUnknown(40_000, 0, 1_000))
  })

  it("asks again right after the end of the grace time, rather than an hour later", () => {
    const next = decideUnknown(DAY_MS, DAY_MS - 1_000)
    expect(next).toMatchObject({ do: "ask_again" })
    expect(next).toHaveProperty(
      "delayMs",
      expect.toSatisfy((ms: number) => ms > 1_000),
    )
    expect(next).toHaveProperty(
      "delayMs",
      expect.toSatisfy((ms: number) => ms < 1_200),
    )
  })

  it("counts the grace time from the first 204, not from the upload", () => {
    expect(decideUnknown(10 * DAY_MS, 0)).toMatchObject({ delayMs: 3_000_000 })
  })

  it("asks again after the shortest delay when the database knows no times", () => {
    expect(decideUnknown(null, null)).toMatchObject({ do: "ask_again", delayMs: 1_000 })
  })

  it("finishes the job once the ledger has settled the order as unregistered", () => {
    const settled = settlement("settled", { ageMs: DAY_MS, unknownMs: DAY_MS })
    const next = decideNext(NOT_REGISTERED, settled, FIRST_POLL, GRACE_MS, MIDDLE)
    expect(next).toEqual({ do: "finish", contradicted: false })
  })
})
