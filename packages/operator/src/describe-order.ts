import type { Database } from "@gofermart/shared/db/client.ts"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { queuePauseMs } from "@gofermart/shared/queue/backend.ts"
import { dueAt } from "@gofermart/shared/queue/backlog.ts"
import { type AccrualQueue, findPoll, type PollJob } from "@gofermart/shared/queue/poll-job.ts"

/**
 * Everything that is known of an order, line by line: its rows, its job, the last answer. Undefined
 * when there is no such order. Rejects when the database or the queue does not answer.
 */
export async function describeOrder(
  database: Database,
  queue: () => Promise<AccrualQueue>,
  number: OrderNumber,
): Promise<string[] | undefined> {
  const rows = await describeRows(database, number)
  if (rows === undefined) return undefined
  const opened = await queue()
  const pauseMs = await queuePauseMs(opened)
  return [
    ...rows,
    ...(await describeJob(await findPoll(opened, number))),
    ...(pauseMs > 0
      ? [`pause        nobody asks for another ${Math.ceil(pauseMs / 1_000)} s`]
      : []),
  ]
}

async function describeRows(database: Database, number: OrderNumber) {
  const order = await database.order.findUnique({
    where: { number },
    include: { user: true, accrual: true, withdrawals: { orderBy: { version: "asc" } } },
  })
  if (order === null) return undefined
  const { user, accrual, withdrawals } = order
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
  const due = state === "delayed" ? `, due ${new Date(dueAt(job)).toISOString()}` : ""
  const lines = [
    `job          ${job.id}: ${state}${due}, ${job.data.polls} polls without a final answer`,
  ]
  const { lastAnswer, brokenSince } = job.data
  if (lastAnswer !== undefined) lines.push(`last answer  ${lastAnswer}`)
  if (brokenSince !== undefined) {
    lines.push(`unusable     answers since ${new Date(brokenSince).toISOString()}`)
  }
  if (state === "failed") lines.push(`failed       ${job.failedReason}`)
  return lines
}
