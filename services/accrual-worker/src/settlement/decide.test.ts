import { pointsFromHundredths } from "@gofermart/shared/domain/points.ts"
import type { Settlement } from "@gofermart/shared/ledger/settle-accruals.ts"
import { describe, expect, it } from "vitest"
import type { Answer } from "@gofermart/scoring-client/answer.ts"
import { type PaceSnapshot, snapshotOf } from "../pacing/snapshot.ts"
import {
  type Circumstances,
  decide,
  decideNext,
  decideUnwritten,
  type UsableAnswer,
} from "./decide.ts"

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

/** Of a worker that knows of no pause, no outage and no limit. */
const UNPACED = snapshotOf({ pace: undefined, isCurrent: true, pauseMs: 0, now: NOW }, 0)
const LIMITED: PaceSnapshot = { ...UNPACED, lastingPerMinute: 600, waiting: 600 }
const DOWN: PaceSnapshot = { ...LIMITED, downForMs: 300_000 }

function after(polled: Circumstances["polled"], pace = UNPACED): Circumstances {
  return { polled, pace, random: MIDDLE }
}

function usable(answer: UsableAnswer["answer"], orderWaitMs?: number): UsableAnswer {
  return { answer, orderWaitMs }
}

function settlement(outcome: Settlement["outcome"], times: Partial<Settlement> = {}): Settlement {
  return { outcome, ageMs: 0, unknownMs: null, ...times }
}

describe("a valid answer", () => {
  it.each([PROCESSED, INVALID, NOT_FINAL, NOT_REGISTERED])(
    "goes to the ledger as it is: $kind",
    (answer) => {
      const step = decide({ kind: "valid", answer }, after(FIRST_POLL), NOW)
      expect(step).toEqual({ do: "apply", answer })
    },
  )

  it("goes to the ledger however often the order was polled before", () => {
    const polled = { polls: 10_000, brokenSince: NOW - DAY_MS }
    const step = decide({ kind: "valid", answer: PROCESSED }, after(polled), NOW)
    expect(step).toEqual({ do: "apply", answer: PROCESSED })
  })
})

describe("429", () => {
  it("pauses for the time it says, and nothing else happens to the order", () => {
    for (const pauseMs of [1_000, 60_000, 600_000]) {
      const step = decide({ kind: "too_many_requests", pauseMs }, after(FIRST_POLL), NOW)
      expect(step).toEqual({ do: "pause", refusal: { pauseMs } })
    }
  })

  it("does not fail an order that is about to", () => {
    const polled = { polls: 9, brokenSince: NOW - DAY_MS }
    const step = decide({ kind: "too_many_requests", pauseMs: 1_000 }, after(polled), NOW)
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
  ])("after %d polls polls again in %d ms", (polls, delayMs) => {
    const step = decide(UNAVAILABLE, after({ polls }), NOW)
    const lastAnswer = "it answered 503"
    expect(step).toEqual({ do: "poll_again", delayMs, lastAnswer })
  })

  it("never gives the order up", () => {
    const step = decide(UNAVAILABLE, after({ polls: 1_000_000, brokenSince: NOW - DAY_MS }), NOW)
    expect(step.do).toBe("poll_again")
  })

  it("neither counts as a broken answer nor forgives those before it", () => {
    const step = decide(UNAVAILABLE, after({ polls: 4, brokenSince: NOW - 5 }), NOW)
    expect(step).toMatchObject({ do: "poll_again", brokenSince: NOW - 5 })
  })
})

describe("503 with a Retry-After", () => {
  it("pauses for it, and the order is polled again all the same", () => {
    const step = decide({ ...UNAVAILABLE, pauseMs: 120_000 }, after(FIRST_POLL), NOW)
    const lastAnswer = "it answered 503"
    expect(step).toEqual({ do: "poll_again", delayMs: 1_000, pauseMs: 120_000, lastAnswer })
  })
})

describe("an answer that says when to poll its order again", () => {
  const waiting = settlement("waiting")
  const polledOften = after({ polls: 6 })
  const stepAfter = (orderWaitMs?: number) =>
    decideNext(usable(NOT_FINAL, orderWaitMs), waiting, polledOften, GRACE_MS)
  const again = { do: "poll_again", delayMs: 50_000, lastAnswer: "not final" } as const

  it("puts it off for as long, where it would come sooner", () => {
    const wait = { orderWaitMs: 3_600_000 }
    expect(stepAfter(3_600_000)).toEqual({ ...again, ...wait, delayMs: 3_600_000 })
    const short = { orderWaitMs: 1_000 }
    expect(stepAfter(1_000)).toEqual({ ...again, ...short })
    expect(stepAfter()).toEqual(again)
  })

  it("changes nothing of any other step", () => {
    const late: Answer = { kind: "valid", answer: PROCESSED, orderWaitMs: 3_600_000 }
    const apply = { do: "apply", answer: PROCESSED } as const
    expect(decide(late, polledOften, NOW)).toEqual(apply)
    const finish = { do: "finish", contradicted: false } as const
    const settled = settlement("settled")
    const next = decideNext(usable(PROCESSED, 3_600_000), settled, polledOften, GRACE_MS)
    expect(next).toEqual(finish)
  })

  it.each([UNAVAILABLE, BROKEN])("puts it off whatever else it says: $kind", (answer) => {
    const late = { ...answer, orderWaitMs: 3_600_000 }
    expect(decide(late, polledOften, NOW)).toMatchObject({
      do: "poll_again",
      delayMs: 3_600_000,
      orderWaitMs: 3_600_000,
    })
  })
})

describe("an answer that cannot be used", () => {
  it("is remembered by when it began, and the order polled again with backoff", () => {
    const first = decide(BROKEN, after({ polls: 3 }), NOW)
    const lastAnswer = "it answered about another order"
    expect(first).toEqual({ do: "poll_again", delayMs: 8_000, brokenSince: NOW, lastAnswer })
    const later = decide(BROKEN, after({ polls: 3, brokenSince: NOW - HOUR_MS }), NOW)
    expect(later).toMatchObject({ do: "poll_again", brokenSince: NOW - HOUR_MS })
  })

  it("fails the order visibly when there was no other for six hours", () => {
    const polls = 400
    const almost = decide(BROKEN, after({ polls, brokenSince: NOW - 6 * HOUR_MS + 1 }), NOW)
    expect(almost.do).toBe("poll_again")
    expect(decide(BROKEN, after({ polls, brokenSince: NOW - 6 * HOUR_MS }), NOW)).toEqual({
      do: "fail",
      reason: "No answer could be used for 6 h. The last: it answered about another order.",
    })
  })

  it("is forgiven after one that can be used", () => {
    const polled = { polls: 9, brokenSince: NOW - HOUR_MS }
    for (const answer of [NOT_FINAL, NOT_REGISTERED]) {
      const next = decideNext(usable(answer), settlement("waiting"), after(polled), GRACE_MS)
      expect(next.do).toBe("poll_again")
      expect(next).not.toHaveProperty("brokenSince")
    }
  })
})

describe("a balance that somebody holds", () => {
  it("puts the order off with backoff", () => {
    const next = decideNext(usable(PROCESSED), settlement("locked"), after({ polls: 2 }), GRACE_MS)
    expect(next).toMatchObject({ do: "poll_again", delayMs: 4_000 })
  })
})

describe("PROCESSED and INVALID", () => {
  it.each([
    ["settled now", "settled"],
    ["settled before by the same verdict", "already_settled"],
    ["awaited by nobody", "not_awaited"],
  ] as const)("finish the job of an order that is %s", (_, outcome) => {
    for (const answer of [PROCESSED, INVALID]) {
      const next = decideNext(usable(answer), settlement(outcome), after(FIRST_POLL), GRACE_MS)
      expect(next).toEqual({ do: "finish", contradicted: false })
    }
  })

  it("finish the job, and say so, when another verdict was first", () => {
    for (const answer of [PROCESSED, INVALID]) {
      const next = decideNext(
        usable(answer),
        settlement("contradicted"),
        after(FIRST_POLL),
        GRACE_MS,
      )
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
  ])("after %d polls poll again in %d ms, however old the order is", (polls, delayMs) => {
    const polled = { polls }
    const waiting = settlement("waiting", { ageMs: 30 * DAY_MS })
    expect(decideNext(usable(NOT_FINAL), waiting, after(polled), GRACE_MS)).toEqual({
      do: "poll_again",
      delayMs,
      lastAnswer: "not final",
    })
  })

  it.each(["already_settled", "not_awaited", "settled"] as const)(
    "finish the job of an order that is no longer waiting: %s",
    (outcome) => {
      const next = decideNext(usable(NOT_FINAL), settlement(outcome), after(FIRST_POLL), GRACE_MS)
      expect(next).toEqual({ do: "finish", contradicted: false })
    },
  )
})

describe("204", () => {
  const decideUnknown = (ageMs: number | null, unknownMs: number | null, polls = 0) => {
    const waiting = settlement("waiting", { ageMs, unknownMs })
    return decideNext(usable(NOT_REGISTERED), waiting, after({ polls }), GRACE_MS)
  }

  it.each([
    ["1 s, for a new order", 0, 1_000],
    ["a quarter of its age, for one of 40 s", 40_000, 10_000],
    ["under 1 h, for one of 5 h", 5 * 3_600_000, 3_000_000],
  ])("polls again after %s", (_, ageMs, delayMs) => {
    expect(decideUnknown(ageMs, 0)).toEqual({
      do: "poll_again",
      delayMs,
      lastAnswer: "not registered",
    })
  })

  it("grows with the order's age, not with the number of polls", () => {
    expect(decideUnknown(40_000, 0, 0)).toEqual(decideUnknown(40_000, 0, 1_000))
  })

  it("polls again right after the end of the grace time, rather than an hour later", () => {
    const next = decideUnknown(DAY_MS, DAY_MS - 1_000)
    expect(next).toMatchObject({ do: "poll_again" })
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

  it("polls again after the shortest delay when the database knows no times", () => {
    expect(decideUnknown(null, null)).toMatchObject({ do: "poll_again", delayMs: 1_000 })
  })

  it("finishes the job once the ledger has settled the order as unregistered", () => {
    const settled = settlement("settled", { ageMs: DAY_MS, unknownMs: DAY_MS })
    const next = decideNext(usable(NOT_REGISTERED), settled, after(FIRST_POLL), GRACE_MS)
    expect(next).toEqual({ do: "finish", contradicted: false })
  })
})

describe("what is decided", () => {
  it("keeps the limit that a 429 names", () => {
    const answer = { kind: "too_many_requests", pauseMs: 1_000, limitPerMinute: 30 } as const
    const refusal = { pauseMs: 1_000, limitPerMinute: 30 }
    expect(decide(answer, after({ polls: 0 }), NOW)).toEqual({ do: "pause", refusal })
  })

  it("tells an operator of whole hours without an answer that could be used", () => {
    const polled = { polls: 400, brokenSince: NOW - 7.9 * HOUR_MS }
    const step = decide({ kind: "broken", reason: "cut JSON" }, after(polled), NOW)
    const reason = "No answer could be used for 7 h. The last: cut JSON."
    expect(step).toEqual({ do: "fail", reason })
  })

  it.each([
    { kind: "PROCESSED", points: pointsFromHundredths(100) } as const,
    { kind: "INVALID" } as const,
  ])("backs off from a $kind that could not be written, whatever the order's age", (verdict) => {
    const waiting: Settlement = { outcome: "waiting", ageMs: 8 * HOUR_MS, unknownMs: null }
    const step = decideNext(usable(verdict), waiting, after({ polls: 1 }), GRACE_MS)
    expect(step).toEqual({ do: "poll_again", delayMs: 2_000, lastAnswer: "not final" })
  })

  it("says that a balance is locked, also of an order that is unknown", () => {
    const locked: Settlement = { outcome: "locked", ageMs: 8 * HOUR_MS, unknownMs: HOUR_MS }
    const answer = { kind: "NOT_REGISTERED" } as const
    const step = decideNext(usable(answer), locked, after({ polls: 1 }), GRACE_MS)
    expect(step).toEqual({ do: "poll_again", delayMs: 2_000, lastAnswer: "the balance is locked" })
  })
})

describe("an answer that could not be written", () => {
  it("has its order polled again with backoff", () => {
    const step = decideUnwritten(usable(PROCESSED), after({ polls: 2, brokenSince: NOW - 5 }))
    expect(step).toEqual({ do: "poll_again", delayMs: 4_000, lastAnswer: "not written" })
  })

  it("has its order polled no sooner than it says", () => {
    const step = decideUnwritten(usable(PROCESSED, 60_000), after({ polls: 2 }))
    expect(step).toMatchObject({ delayMs: 60_000, orderWaitMs: 60_000 })
  })
})

describe("the delay of every further poll is the fleet's where that is longer", () => {
  const locked = settlement("locked")
  const waiting = settlement("waiting")
  const steps = (pace: PaceSnapshot, polls = 0) => {
    const circumstances = after({ polls }, pace)
    return [
      decide(UNAVAILABLE, circumstances, NOW),
      decide(BROKEN, circumstances, NOW),
      decideNext(usable(NOT_FINAL), waiting, circumstances, GRACE_MS),
      decideNext(usable(NOT_REGISTERED), waiting, circumstances, GRACE_MS),
      decideNext(usable(PROCESSED), locked, circumstances, GRACE_MS),
      decideUnwritten(usable(PROCESSED), circumstances),
    ]
  }
  const delays = (pace: PaceSnapshot) =>
    steps(pace).map((step) => ("delayMs" in step ? step.delayMs : undefined))

  it("without a limit and an outage it is the order's own", () => {
    expect(delays(UNPACED)).toEqual([1_000, 1_000, 1_000, 1_000, 1_000, 1_000])
  })

  it("under a limit it is two rounds of all that wait", () => {
    expect(new Set(delays(LIMITED))).toEqual(new Set([120_000]))
  })

  it("in an outage it is as long as that has lasted, whatever the limit is", () => {
    expect(new Set(delays(DOWN))).toEqual(new Set([300_000]))
  })

  it("is no shorter than the answer asks for", () => {
    const orderWaitMs = 200_000
    const late = { ...UNAVAILABLE, orderWaitMs }
    expect(decide(late, after(FIRST_POLL, LIMITED), NOW)).toMatchObject({ delayMs: 200_000 })
    expect(decide(late, after(FIRST_POLL, DOWN), NOW)).toMatchObject({ delayMs: 300_000 })
  })
})

describe("an answer that says for how long the scoring system is down", () => {
  const announced = { ...UNAVAILABLE, pauseMs: 60_000 }
  const delay = (pace: PaceSnapshot) => decide(announced, after(FIRST_POLL, pace), NOW)

  it("begins an outage: the order's own delay counts, and no longer the limit's", () => {
    expect(delay(LIMITED)).toMatchObject({ pauseMs: 60_000, delayMs: 1_000 })
  })

  it("leaves one that has lasted as long as it has", () => {
    expect(delay(DOWN)).toMatchObject({ pauseMs: 60_000, delayMs: 300_000 })
  })

  it("begins none in the middle of a longer pause", () => {
    const paused = { ...LIMITED, pauseMs: 60_000 }
    expect(delay(paused)).toMatchObject({ pauseMs: 60_000, delayMs: 120_000 })
  })
})
