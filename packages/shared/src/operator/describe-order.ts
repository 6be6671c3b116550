import { type Database, sql } from "../db/client.ts"
import { showInstant, usOf } from "../db/instants.ts"
import { type AccrualStatus, STATUS_RULES } from "../domain/accrual-status.ts"
import type { OrderNumber } from "../domain/order-number.ts"
import type { Decimal } from "../domain/points.ts"
import { queuePauseMs } from "../queue/backend.ts"
import { dueAt } from "../queue/backlog.ts"
import { type AccrualQueue, findPoll, type PollJob, readPollPayload } from "../queue/poll-job.ts"
import {
  CONTRADICTION_COLUMNS,
  type ContradictionRow,
  describeContradiction,
} from "./describe-contradiction.ts"
import { withTimeout } from "../runtime/with-timeout.ts"
import { reasonOf } from "../runtime/reason-of.ts"

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
    const job = await withTimeout(lookIntoQueue(await queue(), number), JOB_TIMEOUT_MS, late)
    return { lines: [...rows, ...job], isWhole: true }
  } catch (error) {
    const reason = reasonOf(error)
    const line = `job          not known: the queue does not answer (${reason})`
    return { lines: [...rows, line], isWhole: false }
  }
}

async function lookIntoQueue(queue: AccrualQueue, number: OrderNumber): Promise<string[]> {
  const pauseMs = await queuePauseMs(queue)
  return [
    ...(await describeJob(await findPoll(queue, number))),
    ...(pauseMs > 0
      ? [`pause        nobody polls for another ${Math.ceil(pauseMs / 1_000)} s`]
      : []),
  ]
}

async function describeRows(database: Database, number: OrderNumber) {
  const order = await readOrder(database, number)
  if (order === undefined) return undefined
  const lines = [
    `order        ${number}`,
    `user         ${order.login}`,
    `recorded     ${showInstant(order.createdAtUs)}`,
    `uploaded     ${order.uploadedAtUs === null ? "by nobody: a withdrawal named it" : showInstant(order.uploadedAtUs)}`,
    ...describeAccrual(await readAccrual(database, order.id)),
  ]
  const contradiction = await readContradiction(database, order.id)
  if (contradiction !== undefined)
    lines.push(`contradicted ${describeContradiction(contradiction)}`)
  const spent = (await readWithdrawals(database, order.id)).map(
    ({ value, createdAtUs, version, balanceAfter }) =>
      `withdrawal   ${value.toFixed(2)} at ${showInstant(createdAtUs)}, ` +
      `version ${version}, ${balanceAfter.toFixed(2)} after it`,
  )
  return [...lines, ...spent]
}

function describeAccrual(accrual: AccrualRow | undefined): string[] {
  if (accrual === undefined) return []
  const { status, value, version, balanceAfter, unknownSinceUs, requeueAtUs, updatedAtUs } = accrual
  const lines = [`status       ${status}, since ${showInstant(updatedAtUs)}`]
  if (value !== null) lines.push(`points       ${value.toFixed(2)}`)
  if (version !== null) {
    lines.push(
      `settled      as version ${version} of the balance, ${balanceAfter?.toFixed(2)} after it`,
    )
  }
  if (unknownSinceUs !== null) {
    lines.push(`unknown      to the scoring system since ${showInstant(unknownSinceUs)}`)
  }
  if (STATUS_RULES[status].isPolled) {
    lines.push(`requeue      not before ${showInstant(requeueAtUs)}`)
  }
  return lines
}

interface OrderRow {
  id: bigint
  login: string
  createdAtUs: bigint
  uploadedAtUs: bigint | null
}

async function readOrder(database: Database, number: string): Promise<OrderRow | undefined> {
  const [row] = await database.$queryRaw<OrderRow[]>`
    SELECT o.id, u.login, ${usOf(sql`o.created_at`)} AS "createdAtUs",
           ${usOf(sql`o.uploaded_at`)} AS "uploadedAtUs"
      FROM orders o JOIN users u ON u.id = o.user_id
     WHERE o.number = ${number}`
  return row
}

interface AccrualRow {
  status: AccrualStatus
  value: Decimal | null
  version: bigint | null
  balanceAfter: Decimal | null
  unknownSinceUs: bigint | null
  requeueAtUs: bigint
  updatedAtUs: bigint
}

async function readAccrual(database: Database, orderId: bigint): Promise<AccrualRow | undefined> {
  const [row] = await database.$queryRaw<AccrualRow[]>`
    SELECT status::text, value, version, balance_after AS "balanceAfter",
           ${usOf(sql`unknown_since`)} AS "unknownSinceUs",
           ${usOf(sql`requeue_at`)} AS "requeueAtUs",
           ${usOf(sql`updated_at`)} AS "updatedAtUs"
      FROM accruals WHERE order_id = ${orderId}`
  return row
}

async function readContradiction(
  database: Database,
  orderId: bigint,
): Promise<ContradictionRow | undefined> {
  const [row] = await database.$queryRaw<ContradictionRow[]>`
    SELECT ${CONTRADICTION_COLUMNS} FROM contradictions c WHERE c.order_id = ${orderId}`
  return row
}

interface WithdrawalRow {
  value: Decimal
  createdAtUs: bigint
  version: bigint
  balanceAfter: Decimal
}

function readWithdrawals(database: Database, orderId: bigint): Promise<WithdrawalRow[]> {
  return database.$queryRaw<WithdrawalRow[]>`
    SELECT value, version, balance_after AS "balanceAfter",
           ${usOf(sql`created_at`)} AS "createdAtUs"
      FROM withdrawals WHERE order_id = ${orderId} ORDER BY version`
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
