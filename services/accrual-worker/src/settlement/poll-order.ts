import { databaseFault } from "@gofermart/shared/db/faults.ts"
import type { AnsweredOrder, Settlement } from "@gofermart/shared/ledger/settle-accruals.ts"
import {
  aboutJob,
  type PollJob,
  type CheckedPayload,
  type PollPayload,
  postponePoll,
  readPollPayload,
} from "@gofermart/shared/queue/poll-job.ts"
import type { Batcher } from "@gofermart/shared/runtime/batcher.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import { describeActiveSpan, inSpan, traceHeaders } from "@gofermart/shared/runtime/tracing.ts"
import { DelayedError, RateLimitError, UnrecoverableError } from "bullmq"
import type { Answer } from "@gofermart/scoring-client/answer.ts"
import type { ScoringClient } from "@gofermart/scoring-client/client.ts"
import type { ScoringPacer } from "../scoring/pacer.ts"
import { decide, decideNext, type NextStep, type Step } from "./decide.ts"
import { backoffMs } from "./delays.ts"
import { countSettlement, kindOf, measureCall } from "./measure.ts"

export interface PollOrderParts {
  scoring: ScoringClient
  pacer: ScoringPacer
  settlement: Batcher<AnsweredOrder, Settlement>
  graceMs: number
  logger: Logger
}

/**
 * The processor of one job, which is one order: ask, decide, act.
 *
 * It resolves when the order needs no further poll. Otherwise it tells BullMQ by an error what
 * becomes of the job: `DelayedError`, it was rescheduled; `RateLimitError`, it goes back until the
 * pause is over; `UnrecoverableError`, it is an operator's. None of the first two counts as an
 * attempt. Any other error is a defect or a lost backend, and BullMQ tries the job again.
 */
export async function pollOrder(
  parts: PollOrderParts,
  job: PollJob,
  token: string | undefined,
): Promise<void> {
  const payload = readPollPayload(job.data)
  if (payload === undefined) {
    // Kept, it would block its order's id; finished, it makes room for requeue's.
    parts.logger.error({ jobId: job.id }, "a job that is none of this system's is dropped")
    return
  }
  if (parts.pacer.remainingMs() > 0) {
    // Giving the job back before the queue holds the pause would hand it straight out again.
    await parts.pacer.told()
    throw new RateLimitError()
  }

  const begun = performance.now()
  const answer = await parts.pacer.asking(() => ask(parts, payload))
  measureCall(answer, begun)
  const step = decide(answer, payload, Date.now(), Math.random)
  const next = step.do === "apply" ? await apply(parts, job, payload, step.answer) : step
  parts.logger.debug({ ...aboutJob(job), answer: kindOf(answer), next: next.do }, "asked")
  describeActiveSpan({
    "gofermart.order": payload.number,
    "gofermart.request_id": payload.requestId,
    "gofermart.answer": kindOf(answer),
    "gofermart.outcome": next.do,
  })
  await act(parts, job, token, payload, next)
}

function ask({ scoring }: PollOrderParts, { number }: CheckedPayload): Promise<Answer> {
  const start = {
    name: "ask about order",
    kind: "CLIENT",
    attributes: { "gofermart.order": number },
  } as const
  return inSpan(
    start,
    (within) => scoring.ask(number, within && traceHeaders(within)),
    (answer) => ({ "gofermart.answer": kindOf(answer) }),
  )
}

async function apply(
  parts: PollOrderParts,
  job: PollJob,
  payload: PollPayload,
  answer: AnsweredOrder["answer"],
): Promise<Exclude<Step, { do: "apply" }> | NextStep> {
  try {
    const settlement = await settle(parts, { number: payload.number, answer })
    countSettlement(answer, settlement)
    return decideNext(answer, settlement, payload, parts.graceMs, Math.random)
  } catch (error) {
    const fault = databaseFault(error)
    if (fault === "defect") throw error
    if (fault === "data") return { do: "fail", reason: "The ledger refuses this answer's amount." }
    parts.logger.warn({ ...aboutJob(job), fault }, "the answer was not written")
    const delayMs = backoffMs(payload.polls, Math.random)
    return { do: "ask_again", delayMs, lastAnswer: "not written" }
  }
}

function settle({ settlement }: PollOrderParts, answered: AnsweredOrder): Promise<Settlement> {
  const start = {
    name: "settle order",
    kind: "INTERNAL",
    attributes: { "gofermart.order": answered.number },
  } as const
  return inSpan(
    start,
    () => settlement.add(answered),
    ({ outcome }) => ({ "gofermart.outcome": outcome }),
  )
}

async function act(
  parts: PollOrderParts,
  job: PollJob,
  token: string | undefined,
  payload: PollPayload,
  step: Exclude<Step, { do: "apply" }> | NextStep,
): Promise<void> {
  const about = aboutJob(job)
  switch (step.do) {
    case "finish":
      if (step.contradicted) {
        parts.logger.error(about, "the scoring system changed its verdict; the first one stays")
      }
      return
    case "ask_again": {
      const { brokenSince, lastAnswer, delayMs } = step
      if (brokenSince !== undefined)
        parts.logger.warn({ ...about, lastAnswer }, "an unusable answer")
      const known = asked(payload, payload.polls + 1, lastAnswer, brokenSince)
      await postponePoll(job, token, known, parts.pacer.postponedMs(delayMs))
      throw new DelayedError()
    }
    case "pause":
      await parts.pacer.refuse(step.refusal)
      throw new RateLimitError()
    case "fail":
      // The operator's retry starts anew.
      await job.updateData(asked(payload, payload.polls, step.reason, undefined))
      parts.logger.error({ ...about, reason: step.reason }, "the order needs an operator")
      throw new UnrecoverableError(step.reason)
  }
}

function asked(
  { number, requestId }: PollPayload,
  polls: number,
  lastAnswer: string,
  brokenSince: number | undefined,
): PollPayload {
  return {
    number,
    polls,
    lastAnswer,
    ...(requestId === undefined ? {} : { requestId }),
    ...(brokenSince === undefined ? {} : { brokenSince }),
  }
}
