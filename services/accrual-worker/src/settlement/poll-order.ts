import { classifyError } from "@gofermart/shared/db/errors.ts"
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
import type { PutOff } from "../requeue/hold-lease.ts"
import type { ScoringPacer } from "../pacing/pacer.ts"
import {
  type Circumstances,
  decide,
  decideNext,
  decideUnwritten,
  type NextStep,
  type Step,
  type UsableAnswer,
} from "./decide.ts"
import { countSettlement, kindOf, measureCall } from "./measure.ts"

export interface PollOrderParts {
  scoring: ScoringClient
  pacer: ScoringPacer
  settlement: Batcher<AnsweredOrder, Settlement>
  leases: Batcher<PutOff, void>
  graceMs: number
  logger: Logger
}

/**
 * The processor of one job, which is one order: poll, decide, act.
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
    parts.logger.error({ jobId: job.id }, "dropped a job that this system did not create")
    return
  }
  if (parts.pacer.snapshot().pauseMs > 0) {
    // Giving the job back before the queue holds the pause would hand it straight out again.
    await parts.pacer.pauseTold()
    throw new RateLimitError()
  }

  const begun = performance.now()
  const answer = await parts.pacer.poll(() => poll(parts, payload))
  // This process ends, which says nothing of the scoring system: the job goes back as it is.
  if (answer.kind === "unavailable" && parts.scoring.isClosed) throw new RateLimitError()
  measureCall(answer, begun)
  const step = decide(answer, circumstancesOf(parts, payload), Date.now())
  const { orderWaitMs } = answer
  const next =
    step.do === "apply"
      ? await apply(parts, job, payload, { answer: step.answer, orderWaitMs })
      : step
  parts.logger.debug({ ...aboutJob(job), answer: kindOf(answer), next: next.do }, "polled")
  describeActiveSpan({
    "gofermart.order": payload.number,
    "gofermart.request_id": payload.requestId,
    "gofermart.answer": kindOf(answer),
    "gofermart.outcome": next.do,
  })
  await act(parts, job, token, payload, next)
}

function poll({ scoring }: PollOrderParts, { number }: CheckedPayload): Promise<Answer> {
  const start = {
    name: "poll order",
    kind: "CLIENT",
    attributes: { "gofermart.order": number },
  } as const
  return inSpan(
    start,
    (within) => scoring.poll(number, within && traceHeaders(within)),
    (answer) => ({ "gofermart.answer": kindOf(answer) }),
  )
}

/** What the next step is decided from: the pace is looked at when it is. */
function circumstancesOf({ pacer }: PollOrderParts, polled: PollPayload): Circumstances {
  return { polled, pace: pacer.snapshot(), random: Math.random }
}

async function apply(
  parts: PollOrderParts,
  job: PollJob,
  payload: PollPayload,
  usable: UsableAnswer,
): Promise<Exclude<Step, { do: "apply" }> | NextStep> {
  const { answer } = usable
  try {
    const settlement = await settle(parts, { number: payload.number, answer })
    countSettlement(answer, settlement)
    return decideNext(usable, settlement, circumstancesOf(parts, payload), parts.graceMs)
  } catch (error) {
    const fault = classifyError(error)
    if (fault === "defect") throw error
    if (fault === "data") return { do: "fail", reason: "The ledger refuses this answer's amount." }
    parts.logger.warn({ ...aboutJob(job), fault }, "the answer was not written")
    return decideUnwritten(usable, circumstancesOf(parts, payload))
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
    case "poll_again": {
      const { brokenSince, lastAnswer, delayMs, orderWaitMs } = step
      if (brokenSince !== undefined)
        parts.logger.warn({ ...about, lastAnswer }, "an unusable answer")
      if (step.pauseMs !== undefined) await parts.pacer.pauseInOutage(step.pauseMs)
      if (orderWaitMs !== undefined) await holdLease(parts, job, payload.number, orderWaitMs)
      const known = polledPayload(payload, payload.polls + 1, lastAnswer, brokenSince)
      await postponePoll(job, token, known, delayMs)
      throw new DelayedError()
    }
    case "pause":
      await parts.pacer.pauseAfterRefusal(step.refusal)
      throw new RateLimitError()
    case "fail":
      // The operator's retry starts anew.
      await job.updateData(polledPayload(payload, payload.polls, step.reason, undefined))
      parts.logger.error({ ...about, reason: step.reason }, "the order needs an operator")
      throw new UnrecoverableError(step.reason)
  }
}

/** Without it the order waits all the same, as long as the queue has its job. */
async function holdLease(
  { leases, logger }: PollOrderParts,
  job: PollJob,
  number: string,
  waitMs: number,
): Promise<void> {
  try {
    await leases.add({ number, waitMs })
  } catch (error) {
    logger.warn({ ...aboutJob(job), err: error }, "the order's lease was not made longer")
  }
}

function polledPayload(
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
