import {
  isDeclaredAsJson,
  readAccrual,
  type ScoringResponse,
  whatIsWrongInOrder,
} from "@gofermart/scoring-client/answer.ts"
import { NumberSource, parseKeepingNumbers } from "@gofermart/scoring-client/keep-numbers.ts"
import { ORDER_NUMBER_LENGTH_MAX } from "@gofermart/shared/domain/order-number.ts"
import { pointsFromNumber } from "@gofermart/shared/domain/points.ts"
import type { CheckId } from "./checks.ts"
import { type Poll, type Finding, findingOf } from "./finding.ts"

const STATUS_CHECKS = new Map<unknown, CheckId>([
  ["REGISTERED", "registered"],
  ["PROCESSING", "processing"],
  ["INVALID", "invalid"],
  ["PROCESSED", "processed"],
])

/** What a 200 shows of the protocol. It is stricter than our client, which takes what it can use. */
export function readOrderFindings(poll: Poll, response: ScoringResponse): Finding[] {
  const order = parseKeepingNumbers(response.body)
  const json = findingOf(poll, "json", violationOfJson(response, order))
  if (order === undefined) return [json]
  return [
    json,
    ...readEcho(poll, order["order"]),
    ...readStatus(poll, order["status"]),
    ...readAccrualFindings(poll, order),
  ]
}

function violationOfJson(response: ScoringResponse, order: object | undefined): string | undefined {
  if (response.body.trim() === "") return "the body is empty"
  if (!isDeclaredAsJson(response)) return `it is declared as ${response.contentType ?? "nothing"}`
  return order === undefined ? "the body is not a JSON object" : undefined
}

function readEcho(poll: Poll, echoed: unknown): Finding[] {
  const { number } = poll
  const violation = whatIsWrongInOrder(number, echoed)
  return [
    findingOf(poll, "echo", violation),
    ...(number.startsWith("0") ? [findingOf(poll, "leading_zeros", violation)] : []),
    ...(number.length === ORDER_NUMBER_LENGTH_MAX
      ? [findingOf(poll, "long_numbers", violation)]
      : []),
  ]
}

function readStatus(poll: Poll, status: unknown): Finding[] {
  const check = STATUS_CHECKS.get(status)
  if (check === undefined) return [findingOf(poll, "status", "it is none of the four")]
  // What the client cannot use shows nothing of the status in it.
  const isUsable = poll.observation.answer.kind === "valid"
  return [findingOf(poll, "status"), ...(isUsable ? [findingOf(poll, check)] : [])]
}

function readAccrualFindings(poll: Poll, order: Record<string, unknown>): Finding[] {
  const { accrual, status } = order
  if (!STATUS_CHECKS.has(status)) return []
  if (status !== "PROCESSED") {
    const violation = accrual === undefined ? undefined : `an accrual with ${String(status)}`
    return [findingOf(poll, "accrual_place", violation)]
  }
  // Absent it is 0, which shows nothing of how an accrual is written.
  if (accrual === undefined) return []
  return [findingOf(poll, "accrual", violationOfAccrual(accrual))]
}

function violationOfAccrual(accrual: unknown): string | undefined {
  const read = readAccrual(accrual)
  if (read.kind === "broken") return read.reason
  const isExact =
    accrual instanceof NumberSource && pointsFromNumber(Number(accrual.text)) !== undefined
  return isExact ? undefined : "more than two decimals, which our client rounds half up"
}
