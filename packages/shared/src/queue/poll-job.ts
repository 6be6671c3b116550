import type { Job, JobsOptions, Queue } from "bullmq"
import { Type, type Static } from "typebox"
import { Check } from "typebox/schema"
import { retry } from "../db/retry.ts"
import { type OrderNumber, parseOrderNumber } from "../domain/order-number.ts"
import {
  markFailed,
  type OpenSpan,
  startSpan,
  type TraceContext,
  traceHeaders,
} from "../runtime/tracing.ts"

export const ACCRUAL_QUEUE = "accrual"
const POLL_JOB = "poll"
/** A caller may choose it, and it is in each log line. */
export const REQUEST_ID_LENGTH_MAX = 64

/** Epoch milliseconds, up to the last that a `Date` can be. */
export const Moment = Type.Integer({ minimum: 0, maximum: 8_640_000_000_000_000 })

/** What the two services say to each other: one job is one order to poll. */
const PollPayload = Type.Object({
  number: Type.String({ pattern: "^[0-9]+$" }),
  /** Polls so far that got no final answer; the backoff grows with it. */
  polls: Type.Integer({ minimum: 0 }),
  /** Since when no answer could be used; absent after one that could. */
  brokenSince: Type.Optional(Moment),
  /** To when the poll was put off. */
  dueAt: Type.Optional(Moment),
  /** The latest answer in words, for the operator who looks at the job. */
  lastAnswer: Type.Optional(Type.String()),
  /** Of the upload, for the log lines about it; requeue knows of none. */
  requestId: Type.Optional(Type.String({ maxLength: REQUEST_ID_LENGTH_MAX })),
})
export type PollPayload = Static<typeof PollPayload>

export type AccrualQueue = Queue<PollPayload, void>
export type PollJob = Job<PollPayload, void>

/**
 * A failed job stays for the operator; more than these make room, and requeue brings their orders
 * back.
 */
const FAILED_JOBS_KEPT_MAX = 10_000

/** The most that a PostgreSQL `integer` holds. */
const ATTEMPTS_MAX = 2 ** 31 - 1

export const POLL_OPTIONS = {
  // Only an `UnrecoverableError` fails a job. Anything else that happens to one, such as a backend
  // that goes away, is tried again for as long as it takes.
  attempts: ATTEMPTS_MAX,
  backoff: { type: "custom" },
  // A finished job that stayed would block a later one for the same order: BullMQ ignores an add
  // under the id of a retained job.
  removeOnComplete: true,
  removeOnFail: { count: FAILED_JOBS_KEPT_MAX },
  stackTraceLimit: 1,
} satisfies JobsOptions

/** An order to poll, and which request wants it polled. */
export interface PollOrigin {
  number: string
  requestId?: string
  trace?: TraceContext | undefined
  /** See `fair-share.ts`; without one it goes first. */
  priority?: number
}

/** Adds one job per order, each the beginning of a trace of its own; see `addPollsOf`. */
export async function addPolls(queue: AccrualQueue, numbers: string[]): Promise<void> {
  await addPollsOf(
    queue,
    numbers.map((number) => ({ number })),
  )
}

/**
 * Adds one job per order in one round trip. Where an order's job is there already, nothing
 * happens: the id says which order it is. It is made of the order's number and not of its row's
 * id, which another database may have given to another order.
 */
export async function addPollsOf(queue: AccrualQueue, origins: PollOrigin[]): Promise<void> {
  const spans = origins.map(startAdding)
  try {
    await queue.addBulk(
      origins.map(({ number, requestId, priority = 0 }, i) => ({
        name: POLL_JOB,
        data: requestId === undefined ? { number, polls: 0 } : { number, polls: 0, requestId },
        opts: { priority, ...optionsOf(number, spans[i]) },
      })),
    )
  } catch (error) {
    for (const open of spans) if (open !== undefined) markFailed(open.span, error)
    throw error
  } finally {
    for (const open of spans) open?.span.end()
  }
}

/** Many requests' jobs are added at once, so each has a span of its own to be polled in. */
function startAdding({ number, trace }: PollOrigin): OpenSpan | undefined {
  return startSpan({
    name: "enqueue order",
    kind: "PRODUCER",
    parent: trace,
    attributes: { "gofermart.order": number, "gofermart.job": jobIdOf(number) },
  })
}

function optionsOf(number: string, adding: OpenSpan | undefined): JobsOptions {
  const jobId = jobIdOf(number)
  return adding === undefined
    ? { jobId }
    : { jobId, telemetry: { metadata: JSON.stringify(traceHeaders(adding.context)) } }
}

/** The job of an order, in whatever state it is; undefined when there is none. */
export async function findPoll(queue: AccrualQueue, number: string): Promise<PollJob | undefined> {
  return queue.getJob(jobIdOf(number))
}

function jobIdOf(number: string): string {
  return `order-${number}`
}

/** What a log line about a job says of it. */
export function aboutJob({ id, data }: Pick<PollJob, "id" | "data">): object {
  const { number, requestId } = data
  return { order: number, jobId: id, requestId }
}

/**
 * Puts the job that is being worked on off for `delayMs`, with what is now known of its order. The
 * processor must then throw `DelayedError`.
 *
 * On PostgreSQL either command may be the victim of a deadlock: BullMQ renews its workers' locks
 * and looks for stalled jobs in statements over many jobs, in no fixed order.
 */
export async function postponePoll(
  job: PollJob,
  token: string | undefined,
  payload: PollPayload,
  delayMs: number,
): Promise<void> {
  const dueAt = Date.now() + Math.round(delayMs)
  await retry(() => job.updateData({ ...payload, dueAt }))
  await retry(() => job.moveToDelayed(dueAt, token))
}

/** Checks a payload where it enters the worker; undefined when it is none of ours. */
export function readPollPayload(data: unknown): CheckedPayload | undefined {
  if (!Check(PollPayload, data)) return undefined
  const number = parseOrderNumber(data.number)
  return number === undefined ? undefined : { ...data, number }
}

export type CheckedPayload = PollPayload & { number: OrderNumber }
