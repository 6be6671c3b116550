import { parseOrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { readAnswer, type ScoringResponse } from "@gofermart/scoring-client/answer.ts"
import * as fc from "fast-check"
import { expect, it } from "vitest"
import { decide } from "../settlement/decide.ts"
import {
  afterCalls,
  afterOutage,
  afterRefusal,
  isAwaitingAnswer,
  isGuess,
  type LearnedLimit,
  noLimit,
  pacePerMinute,
  tricklePerMinute,
} from "./learned-limit.ts"
import { snapshotOf } from "./snapshot.ts"

const MINUTE_MS = 60_000
const STEP_MS = 500
const REPORT_MS = 1_000
/** What a fleet without a limit polls. */
const UNPACED_PER_MINUTE = 60_000
/** From the moment on from which the scoring system accepts everything, the pause included. */
const RECOVERED_WITHIN_MS = 30 * MINUTE_MS
/** From the end of the pause on. */
const GUESS_OVER_WITHIN_MS = 2 * MINUTE_MS
/** The longest pause, and at a request a minute the time to the next one. */
const NOTHING_POLLED_MAX_MS = 11.5 * MINUTE_MS
const ORDER_WAIT_MAX_MS = 24 * 60 * MINUTE_MS
const RUNS = 300
const SEED = 20_261_128
/** Of a loaded machine; it takes two seconds. */
const TIMEOUT_MS = 60_000
/** They are looked at every so often in a history, and at each change of the scoring system. */
const CHECK_EVERY_MS = 20_000
const STATES_MIN = 3_000
const NUMBER = parseOrderNumber("79927398713") ?? (() => expect.fail("no order number"))()

/** Only what an answer says counts here, not when its order is polled again. */
const UNPACED = snapshotOf({ pace: undefined, isCurrent: true, pauseMs: 0, now: 0 }, 0)

/** A fleet in virtual time; what it would be to poll one order after the other, counted only. */
interface Fleet {
  now: number
  limit: LearnedLimit
  pausedUntil: number
  isDown: boolean
  tokens: number
  unreported: number
  /** When the fleet may look at the row again; not while the database is away. */
  blindUntil: number
}

/** Answers so many polls at once: how many it accepts, and what it says to the next one. */
type Scoring = (polls: number, now: number) => { accepted: number; refusal?: ScoringResponse }

const acceptAll: Scoring = (polls) => ({ accepted: polls })

function newFleet(limit: LearnedLimit, now = 0): Fleet {
  const pausedUntil = Math.max(now, limit.windowBeganAt)
  return { now, limit, pausedUntil, isDown: false, tokens: 1, unreported: 0, blindUntil: 0 }
}

/** One step of virtual time; resolves to how many were accepted in it. */
function step(fleet: Fleet, scoring: Scoring, demand: number): number {
  fleet.now += STEP_MS
  const { now } = fleet
  if (now % REPORT_MS === 0 && now >= fleet.blindUntil) report(fleet)
  if (now < fleet.pausedUntil) return 0
  const perMinute = fleet.isDown
    ? tricklePerMinute(fleet.limit)
    : (pacePerMinute(fleet.limit, now) ?? UNPACED_PER_MINUTE)
  const perStep = (perMinute * STEP_MS) / MINUTE_MS
  fleet.tokens = Math.min(fleet.tokens + perStep, Math.max(1, perStep))
  const polls = Math.floor(Math.min(fleet.tokens, demand))
  if (polls === 0) return 0
  fleet.tokens -= polls
  const { accepted, refusal } = scoring(polls, now)
  if (accepted > 0) accept(fleet, accepted)
  if (refusal !== undefined) refuse(fleet, refusal)
  return accepted
}

function report(fleet: Fleet): void {
  fleet.limit = afterCalls(fleet.limit, fleet.unreported, fleet.now)
  fleet.unreported = 0
}

/** As the pacer does after an answer that is no refusal. */
function accept(fleet: Fleet, accepted: number): void {
  fleet.unreported += accepted
  if (fleet.isDown) {
    fleet.isDown = false
    fleet.limit = afterOutage(fleet.limit, fleet.now)
  }
  if (isAwaitingAnswer(fleet.limit)) report(fleet)
}

/** As the worker does: read, decide, and tell the pacer. */
function refuse(fleet: Fleet, response: ScoringResponse): void {
  const { now } = fleet
  const answer = readAnswer(NUMBER, response, new Date(now))
  const decided = decide(answer, { polled: { polls: 0 }, pace: UNPACED, random: () => 0.5 }, now)
  if (decided.do === "pause") {
    report(fleet)
    fleet.limit = afterRefusal(fleet.limit, decided.refusal, now)
    fleet.pausedUntil = Math.max(fleet.pausedUntil, now + decided.refusal.pauseMs)
  } else if (decided.do === "poll_again") {
    fleet.isDown = true
    fleet.pausedUntil = Math.max(fleet.pausedUntil, now + (decided.pauseMs ?? 0))
    expect(answer.orderWaitMs ?? 0).toBeLessThanOrEqual(ORDER_WAIT_MAX_MS)
  }
  fleet.tokens = 1
}

/** Holds the bounds from this state on, with a scoring system that accepts everything. */
function expectRecovery(from: Fleet, demandPerMinute: number): void {
  const fleet = { ...from, blindUntil: from.now }
  let lastAt = fleet.now
  let demand = 0
  let nothingPolledMs = 0
  const limitMs = isGuess(fleet.limit)
    ? Math.max(0, fleet.pausedUntil - fleet.now) + GUESS_OVER_WITHIN_MS
    : RECOVERED_WITHIN_MS
  const isRecovered = () => fleet.limit.perMinute === null && !fleet.isDown
  while (!isRecovered() && fleet.now - from.now <= limitMs) {
    demand = Math.min(demand + (demandPerMinute * STEP_MS) / MINUTE_MS, demandPerMinute)
    const accepted = step(fleet, acceptAll, demand)
    demand -= accepted
    if (accepted > 0) lastAt = fleet.now
    nothingPolledMs = Math.max(nothingPolledMs, fleet.now - lastAt)
  }
  if (!isRecovered()) expect.fail(`${JSON.stringify(from)} has become ${JSON.stringify(fleet)}`)
  expect(nothingPolledMs).toBeLessThanOrEqual(NOTHING_POLLED_MAX_MS)
}

const header = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 90 }).map(String) },
  { weight: 2, arbitrary: fc.constant("1") },
  fc.constantFrom(undefined, "0", "-5", "86400", "1000000000", "tomorrow", "0.5"),
)
const perMinute = fc.oneof(
  fc.integer({ min: 1, max: 3 }),
  fc.integer({ min: 4, max: 100 }),
  fc.integer({ min: 100, max: 40_000 }),
)
const named = fc.option(perMinute, { nil: undefined })

/** What the scoring system does for a while. */
const behaviour = fc.oneof(
  fc.constant({ kind: "accepts" as const }),
  fc.record({ kind: fc.constant("refuses" as const), header, named }),
  fc.record({ kind: fc.constant("limits" as const), perMinute, isNamed: fc.boolean() }),
  fc.record({ kind: fc.constant("is down" as const), header }),
  // It refuses one in so many, for no reason that can be learned.
  fc.record({
    kind: fc.constant("sheds" as const),
    every: fc.integer({ min: 2, max: 500 }),
    header,
    named,
  }),
)
type Behaviour = typeof behaviour extends fc.Arbitrary<infer B> ? B : never

const phase = fc.record({
  behaviour,
  durationMs: fc.oneof(
    fc.integer({ min: 1, max: 20 }).map((half) => half * STEP_MS),
    fc.integer({ min: 10, max: 120 }).map((s) => s * 1_000),
    fc.integer({ min: 2, max: 25 }).map((minutes) => minutes * MINUTE_MS),
  ),
  /** Orders that come in a minute; those that wait wait on. */
  demandPerMinute: fc.constantFrom(0, 5, 100, 450, UNPACED_PER_MINUTE),
  /** All workers start anew: what they had not told of is lost. */
  isRestart: fc.boolean(),
  /** For so long the database is away, and nothing can be told. */
  blindMs: fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    fc.integer({ min: 1, max: 180 }).map((s) => s * 1_000),
  ),
})

function answerOf(status: number, retryAfter: string | undefined, limit?: number): ScoringResponse {
  const body = limit === undefined ? "" : `No more than ${limit} requests per minute allowed`
  return { status, contentType: "text/plain", contentEncoding: undefined, retryAfter, body }
}

function scoringOf(behaves: Behaviour): Scoring {
  switch (behaves.kind) {
    case "accepts":
      return acceptAll
    case "refuses":
      return () => ({ accepted: 0, refusal: answerOf(429, behaves.header, behaves.named) })
    case "is down":
      return () => ({ accepted: 0, refusal: answerOf(503, behaves.header) })
    case "sheds": {
      let polled = 0
      return (polls) => {
        const accepted = Math.min(polls, behaves.every - 1 - (polled % behaves.every))
        polled += accepted + 1
        if (accepted === polls) return { accepted }
        return { accepted, refusal: answerOf(429, behaves.header, behaves.named) }
      }
    }
    case "limits": {
      const { perMinute: max, isNamed } = behaves
      let beganAt = -Infinity
      let admitted = 0
      return (polls, now) => {
        if (now >= beganAt + MINUTE_MS) {
          beganAt = now
          admitted = 0
        }
        const accepted = Math.min(polls, max - admitted)
        admitted += accepted
        if (accepted === polls) return { accepted }
        const leftS = `${Math.ceil((beganAt + MINUTE_MS - now) / 1_000)}`
        return { accepted, refusal: answerOf(429, leftS, isNamed ? max : undefined) }
      }
    }
  }
}

/** What of a state decides how it goes on, roughly: so that each is looked at once. */
function keyOf({ limit, now, pausedUntil, isDown }: Fleet): string {
  const { perMinute: known, isConfirmed, isClimbing, windowsHeld, failedProbes } = limit
  const inWindowS = Math.round((now - limit.windowBeganAt) / 5_000)
  const level = known === null ? null : Math.round(Math.log2(known) * 4)
  const pausedS = Math.round(Math.max(0, pausedUntil - now) / 10_000)
  const flags = [isConfirmed, isClimbing, isDown, limit.calls > 0, limit.calls > (known ?? 0)]
  return [level, ...flags, windowsHeld, failedProbes, inWindowS, pausedS].join()
}

it(
  "from every state that a history leads to, the fleet is soon back at full speed",
  ({ annotate }) => {
    const states = new Set<string>()
    fc.assert(
      fc.property(fc.array(phase, { minLength: 1, maxLength: 8 }), (phases) => {
        const fleet = newFleet(noLimit(0))
        let demand = 0
        for (const {
          behaviour: behaves,
          durationMs,
          demandPerMinute,
          isRestart,
          blindMs,
        } of phases) {
          const scoring = scoringOf(behaves)
          if (isRestart) fleet.unreported = 0
          fleet.blindUntil = fleet.now + blindMs
          const endAt = fleet.now + durationMs
          while (fleet.now < endAt) {
            demand = Math.min(demand + (demandPerMinute * STEP_MS) / MINUTE_MS, UNPACED_PER_MINUTE)
            demand -= step(fleet, scoring, demand)
            const isDue = fleet.now % CHECK_EVERY_MS === 0 || fleet.now >= endAt
            if (!isDue || states.has(keyOf(fleet))) continue
            states.add(keyOf(fleet))
            expectRecovery(fleet, UNPACED_PER_MINUTE)
            // A guess ends however few are polled, if any.
            if (isGuess(fleet.limit)) expectRecovery(fleet, 10)
          }
        }
      }),
      { numRuns: RUNS, seed: SEED },
    )
    void annotate(`${states.size} distinct states`)
    expect(states.size).toBeGreaterThan(STATES_MIN)
  },
  TIMEOUT_MS,
)

it(
  "from any row that another release may have left, it is back as soon",
  () => {
    const level = fc.oneof(
      fc.record({
        isConfirmed: fc.constant(true),
        perMinute: fc.double({ min: 0.1, max: 100, noNaN: true }),
      }),
      fc.record({
        isConfirmed: fc.boolean(),
        perMinute: fc.double({ min: 60, max: 50_000, noNaN: true }),
      }),
    )
    const other = fc.record({
      isClimbing: fc.boolean(),
      windowBeganAt: fc.integer({ min: -2 * 60 * MINUTE_MS, max: 10 * MINUTE_MS }),
      calls: fc.integer({ min: 0, max: 100_000 }),
      windowsHeld: fc.integer({ min: 0, max: 100 }),
      failedProbes: fc.integer({ min: 0, max: 100 }),
    })
    fc.assert(
      fc.property(level, other, (known, more) => {
        expectRecovery(newFleet({ ...known, ...more }), UNPACED_PER_MINUTE)
      }),
      { numRuns: 500, seed: SEED },
    )
  },
  TIMEOUT_MS,
)
