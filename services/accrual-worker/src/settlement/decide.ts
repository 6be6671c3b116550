import type { ScoringAnswer, Settlement } from "@gofermart/shared/ledger/settle-accruals.ts"
import type { PollPayload } from "@gofermart/shared/queue/poll-job.ts"
import type { Answer } from "../scoring/answer.ts"
import { backoffMs, unknownOrderDelayMs } from "./delays.ts"

/** What to do after a poll. */
export type Step =
  | { do: "apply"; answer: ScoringAnswer }
  | { do: "pause"; pauseMs: number }
  | AskAgain
  | { do: "fail"; reason: string }

/** What to do after an answer was applied to the ledger. */
export type NextStep = { do: "finish"; contradicted: boolean } | AskAgain

interface AskAgain {
  do: "ask_again"
  delayMs: number
  brokenAnswers: number
  lastAnswer: string
}

/** So many answers in a row that cannot be understood, and an operator is to look at the order. */
const BROKEN_ANSWERS_MAX = 10

type Polled = Pick<PollPayload, "polls" | "brokenAnswers">

export function decide(answer: Answer, polled: Polled, random: () => number): Step {
  switch (answer.kind) {
    case "valid":
      return { do: "apply", answer: answer.answer }
    case "too_many_requests":
      return { do: "pause", pauseMs: answer.pauseMs }
    case "unavailable":
      return askAgain(answer.reason, backoffMs(polled.polls, random), polled.brokenAnswers)
    case "broken": {
      const brokenAnswers = polled.brokenAnswers + 1
      if (brokenAnswers >= BROKEN_ANSWERS_MAX) {
        const reason = `${brokenAnswers} answers in a row could not be used. The last: ${answer.reason}`
        return { do: "fail", reason }
      }
      return askAgain(answer.reason, backoffMs(polled.polls, random), brokenAnswers)
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
    case "waiting": {
      if (answer.kind !== "NOT_REGISTERED") {
        return askAgain("not final", backoffMs(polled.polls, random), 0)
      }
      const { ageMs, unknownMs } = settlement
      const order = { ageMs: ageMs ?? 0, unknownMs: unknownMs ?? 0, graceMs }
      return askAgain("not registered", unknownOrderDelayMs(order, random), 0)
    }
  }
}

function askAgain(lastAnswer: string, delayMs: number, brokenAnswers: number): AskAgain {
  return { do: "ask_again", delayMs, brokenAnswers, lastAnswer }
}
