import type { ScoringAnswer, Settlement } from "@gofermart/shared/ledger/settle-accruals.ts"
import type { PollPayload } from "@gofermart/shared/queue/poll-job.ts"
import type { Answer } from "@gofermart/scoring-client/answer.ts"
import type { Refusal } from "../scoring/learned-limit.ts"
import { backoffMs, unknownOrderDelayMs } from "./delays.ts"

/** What to do after a poll. */
export type Step =
  | { do: "apply"; answer: ScoringAnswer }
  | { do: "pause"; refusal: Refusal }
  | AskAgain
  | { do: "fail"; reason: string }

/** What to do after an answer was applied to the ledger. */
export type NextStep = { do: "finish"; contradicted: boolean } | AskAgain

interface AskAgain {
  do: "ask_again"
  delayMs: number
  /** Set while no answer can be used. */
  brokenSince?: number
  lastAnswer: string
}

/**
 * After so long without an answer that can be used an operator is to look at the order. A page that
 * says "under maintenance" is none, and lasts for hours.
 */
const BROKEN_FOR_MAX_MS = 6 * 3_600_000

type Polled = Pick<PollPayload, "polls" | "brokenSince">

/** `now`: epoch milliseconds. */
export function decide(answer: Answer, polled: Polled, now: number, random: () => number): Step {
  switch (answer.kind) {
    case "valid":
      return { do: "apply", answer: answer.answer }
    case "too_many_requests":
      return {
        do: "pause",
        refusal: { pauseMs: answer.pauseMs, limitPerMinute: answer.limitPerMinute },
      }
    case "unavailable":
      return askAgain(answer.reason, backoffMs(polled.polls, random), polled.brokenSince)
    case "broken": {
      const brokenSince = polled.brokenSince ?? now
      const brokenForMs = now - brokenSince
      if (brokenForMs >= BROKEN_FOR_MAX_MS) {
        const hours = Math.floor(brokenForMs / 3_600_000)
        const reason = `No answer could be used for ${hours} h. The last: ${answer.reason}.`
        return { do: "fail", reason }
      }
      return askAgain(answer.reason, backoffMs(polled.polls, random), brokenSince)
    }
  }
}

export function decideNext(
  answer: ScoringAnswer,
  settlement: Settlement,
  polled: Polled,
  graceMs: number,
  random: () => number,
): NextStep {
  switch (settlement.outcome) {
    case "settled":
    case "already_settled":
    case "not_awaited":
      return { do: "finish", contradicted: false }
    case "contradicted":
      return { do: "finish", contradicted: true }
    case "locked":
      return askAgain("the balance is locked", backoffMs(polled.polls, random))
    case "waiting": {
      if (answer.kind !== "NOT_REGISTERED") {
        return askAgain("not final", backoffMs(polled.polls, random))
      }
      const { ageMs, unknownMs } = settlement
      const order = { ageMs: ageMs ?? 0, unknownMs: unknownMs ?? 0, graceMs }
      return askAgain("not registered", unknownOrderDelayMs(order, random))
    }
  }
}

function askAgain(lastAnswer: string, delayMs: number, brokenSince?: number): AskAgain {
  return {
    do: "ask_again",
    delayMs,
    lastAnswer,
    ...(brokenSince === undefined ? {} : { brokenSince }),
  }
}
