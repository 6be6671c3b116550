import type { Database } from "../db/client.ts"
import type { OrderNumber } from "../domain/order-number.ts"
import { queuePauseMs } from "../queue/backend.ts"
import { dueAt } from "../queue/backlog.ts"
import { type AccrualQueue, findPoll, type PollJob, readPollPayload } from "../queue/poll-job.ts"
import { describeContradiction } from "./describe-contradiction.ts"
import { inTime } from "../runtime/in-time.ts"

/** Whoever asks wants the rows soon, also when nothing can be said of the job. */
const JOB_TIMEOUT_MS = 3_000

export interface OrderDescription {
  lines: string[]
  /** False when the queue did not answer: the lines are then of the rows alone, and say so. */
  isWhole: boolean
}

/**
 * Everything that is known of an order, line by line: its rows, its job, the last answer. Undefined
 * when there is no such order. Rejects when the database does not answer.
 */
export async function describeOrder(
  database: Database,
  queue: () => Promise<AccrualQueue>,
  number: OrderNumber,
): Promise<OrderDescription | undefined> {
  const rows = await describeRows(database, number)
  if (rows === undefined) return undefined
  try {
    const late = `not within ${JOB_TIMEOUT_MS / 1_000} s`
    const job = await inTime(lookIntoQueue(await queue(), number), JOB_TIMEOUT_MS, late)
    return { lines: [...rows, ...job], isWhole: true }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const line = `job          not known: the queue does not answer (${reason})`
    return { lines: [...rows, line], isWhole: false }
  }
}

async function lookIntoQueue(queue: AccrualQueue, number: OrderNumber): Promise<string[]> {
  const pauseMs = await queuePauseMs(queue)
  return [
    ...(await describeJob(await findPoll(queue, number))),
    ...(pauseMs > 0
      ? [`pause        nobody asks for another ${Math.ceil(pauseMs / 1_000)} s`]
      : []),
  ]
}

async function describeRows(database: Database, number: OrderNumber) {
  const order = await database.order.findUnique({
    where: { number },
    include: {
      user: true,
      accrual: true,
      contradiction: true,
      withdrawals: { orderBy: { version: "asc" } },
    },
  })
  if (order === null) return undefined
  const { user, accrual, contradiction, withdrawals } = order
  const lines = [
    `order        ${number}`,
    `user         ${user.login}`,
    `recorded     ${order.createdAt.toISOString()}`,
    `uploaded     ${order.uploadedAt?.toISOString() ?? "by nobody: a withdrawal named it"}`,
  ]
  if (accrual !== null) {
    const { status, value, version, balanceAfter, unknownSince, requeueAt, updatedAt } = accrual
    lines.push(`status       ${status}, since ${updatedAt.toISOString()}`)
    if (value !== null) lines.push(`points       ${value.toFixed(2)}`)
    if (version !== null) {
      lines.push(
        `settled      as version ${version} of the balance, ${balanceAfter?.toFixed(2)} after it`,
      )
    }
    if (unknownSince !== null) {
      lines.push(`unknown      to the scoring system since ${unknownSince.toISOString()}`)
    }
    if (status === "PROCESSING") lines.push(`requeue      not before ${requeueAt.toISOString()}`)
  }
  if (contradiction !== null) lines.push(`contradicted ${describeContradiction(contradiction)}`)
  const spent = withdrawals.map(
    ({ value, createdAt, version, balanceAfter }) =>
      `withdrawal   ${value.toFixed(2)} at ${createdAt.toISOString()}, ` +
      `version ${version}, ${balanceAfter.toFixed(2)} after it`,
  )
  return [...lines, ...spent]
}

async function describeJob(job: PollJob | undefined): Promise<string[]> {
  if (job === undefined) return ["job          none"]
  const state = await job.getState()
  const payload = readPollPayload(job.data)
  if (payload === undefined) {
    return [`job          ${job.id}: ${state}; what it holds is no order's, and a worker drops it`]
  }
  const due = state === "delayed" ? `, due ${new Date(dueAt(job)).toISOString()}` : ""
  const lines = [
    `job          ${job.id}: ${state}${due}, ${payload.polls} polls without a final answer`,
  ]
  const { lastAnswer, brokenSince } = payload
  const hasFailed = state === "failed"
  // A job that fails keeps its reason as its last answer.
  const isSaidTwice = hasFailed && lastAnswer === job.failedReason
  if (lastAnswer !== undefined && !isSaidTwice) lines.push(`last answer  ${lastAnswer}`)
  if (brokenSince !== undefined) {
    lines.push(`unusable     answers since ${new Date(brokenSince).toISOString()}`)
  }
  if (hasFailed) lines.push(`failed       ${job.failedReason}`)
  return lines
}
