import type { ScoringAnswer, Settlement } from "@gofermart/shared/ledger/settle-accruals.ts"
import type { PollPayload } from "@gofermart/shared/queue/poll-job.ts"
import type { Answer } from "@gofermart/scoring-client/answer.ts"
import type { Refusal } from "../pacing/learned-limit.ts"
import { type PaceSnapshot, withAnnouncedOutage } from "../pacing/snapshot.ts"
import { backoffMs, fleetDelayMs, unknownOrderDelayMs } from "./delays.ts"

/** What to do after a poll. */
export type Step =
  | { do: "apply"; answer: ScoringAnswer }
  | { do: "pause"; refusal: Refusal }
  | PollAgain
  | { do: "fail"; reason: string }

/** What to do after an answer was applied to the ledger. */
export type NextStep = { do: "finish"; contradicted: boolean } | PollAgain

interface PollAgain {
  do: "poll_again"
  /** Milliseconds until the order's next poll: final, nothing changes it afterwards. */
  delayMs: number
  /** For how many milliseconds nobody is to poll any order. */
  pauseMs: number | undefined
  /** For how many milliseconds nobody is to poll this one, also when the queue is lost. */
  orderWaitMs: number | undefined
  /** Set while no answer can be used. */
  brokenSince?: number
  lastAnswer: string
}

/** A valid answer, as it goes to the ledger, and for how long it asks that its order be left alone. */
export interface UsableAnswer {
  answer: ScoringAnswer
  orderWaitMs: number | undefined
}

/** What a decision is made from, beside the answer. */
export interface Circumstances {
  polled: Pick<PollPayload, "polls" | "brokenSince">
  /** The fleet's pace, as it is once the answer has come. */
  pace: PaceSnapshot
  random: () => number
}

/**
 * After so long without an answer that can be used an operator is to look at the order. A page that
 * says "under maintenance" is none, and lasts for hours.
 */
const BROKEN_FOR_MAX_MS = 6 * 3_600_000

/** The step after an answer has come, at `now` in epoch milliseconds. */
export function decide(answer: Answer, circumstances: Circumstances, now: number): Step {
  const { polled, random } = circumstances
  switch (answer.kind) {
    case "valid":
      return { do: "apply", answer: answer.answer }
    case "too_many_requests":
      return {
        do: "pause",
        refusal: { pauseMs: answer.pauseMs, limitPerMinute: answer.limitPerMinute },
      }
    case "unavailable": {
      const delayMs = backoffMs(polled.polls, random)
      return pollAgain(answer, circumstances, delayMs, answer.reason, polled.brokenSince)
    }
    case "broken": {
      const brokenSince = polled.brokenSince ?? now
      const brokenForMs = now - brokenSince
      if (brokenForMs >= BROKEN_FOR_MAX_MS) {
        const hours = Math.floor(brokenForMs / 3_600_000)
        const reason = `No answer could be used for ${hours} h. The last: ${answer.reason}.`
        return { do: "fail", reason }
      }
      const delayMs = backoffMs(polled.polls, random)
      return pollAgain(answer, circumstances, delayMs, answer.reason, brokenSince)
    }
  }
}

/** The step after the ledger has taken a valid answer, or has not. */
export function decideNext(
  usable: UsableAnswer,
  settlement: Settlement,
  circumstances: Circumstances,
  graceMs: number,
): NextStep {
  const { polled, random } = circumstances
  switch (settlement.outcome) {
    case "settled":
    case "already_settled":
    case "not_awaited":
      return { do: "finish", contradicted: false }
    case "contradicted":
      return { do: "finish", contradicted: true }
    case "locked": {
      const delayMs = backoffMs(polled.polls, random)
      return pollAgain(usable, circumstances, delayMs, "the balance is locked")
    }
    case "waiting": {
      if (usable.answer.kind !== "NOT_REGISTERED") {
        return pollAgain(usable, circumstances, backoffMs(polled.polls, random), "not final")
      }
      const { ageMs, unknownMs } = settlement
      const order = { ageMs: ageMs ?? 0, unknownMs: unknownMs ?? 0, graceMs }
      const delayMs = unknownOrderDelayMs(order, random)
      return pollAgain(usable, circumstances, delayMs, "not registered")
    }
  }
}

/** The step after a valid answer that could not be written, for a reason that passes. */
export function decideUnwritten(usable: UsableAnswer, circumstances: Circumstances): NextStep {
  const delayMs = backoffMs(circumstances.polled.polls, circumstances.random)
  return pollAgain(usable, circumstances, delayMs, "not written")
}

/**
 * The next poll comes after `delayMs`, which is the order's own delay; later where the answer asks for
 * more time, or where the fleet's pace does.
 */
function pollAgain(
  { pauseMs, orderWaitMs }: { pauseMs?: number; orderWaitMs?: number | undefined },
  { pace, random }: Circumstances,
  delayMs: number,
  lastAnswer: string,
  brokenSince?: number,
): PollAgain {
  const paceAfter = pauseMs === undefined ? pace : withAnnouncedOutage(pace, pauseMs)
  const soonestMs = Math.max(delayMs, orderWaitMs ?? 0)
  return {
    do: "poll_again",
    delayMs: fleetDelayMs(soonestMs, paceAfter, random),
    pauseMs,
    orderWaitMs,
    lastAnswer,
    ...(brokenSince === undefined ? {} : { brokenSince }),
  }
}
