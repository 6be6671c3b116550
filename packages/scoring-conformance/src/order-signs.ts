import {
  isDeclaredAsJson,
  readAccrual,
  type ScoringResponse,
} from "@gofermart/scoring-client/answer.ts"
import { NumberSource, parseKeepingNumbers } from "@gofermart/scoring-client/keep-numbers.ts"
import { ORDER_NUMBER_LENGTH_MAX } from "@gofermart/shared/domain/order-number.ts"
import { pointsFromNumber } from "@gofermart/shared/domain/points.ts"
import type { PartId } from "./parts.ts"
import { type Asked, type Sign, signOf } from "./sign.ts"

const STATUS_PARTS = new Map<unknown, PartId>([
  ["REGISTERED", "registered"],
  ["PROCESSING", "processing"],
  ["INVALID", "invalid"],
  ["PROCESSED", "processed"],
])

/** What a 200 shows of the protocol. It is stricter than our client, which takes what it can use. */
export function readOrderSigns(asked: Asked, response: ScoringResponse): Sign[] {
  const order = parseKeepingNumbers(response.body)
  const json = signOf(asked, "json", violationOfJson(response, order))
  if (order === undefined) return [json]
  return [
    json,
    ...readEcho(asked, order["order"]),
    ...readStatus(asked, order["status"]),
    ...readAccrualSigns(asked, order),
  ]
}

function violationOfJson(response: ScoringResponse, order: object | undefined): string | undefined {
  if (response.body.trim() === "") return "the body is empty"
  if (!isDeclaredAsJson(response)) return `it is declared as ${response.contentType ?? "nothing"}`
  return order === undefined ? "the body is not a JSON object" : undefined
}

function readEcho(asked: Asked, echoed: unknown): Sign[] {
  const { number } = asked
  const violation = violationOfEcho(number, echoed)
  return [
    signOf(asked, "echo", violation),
    ...(number.startsWith("0") ? [signOf(asked, "leading_zeros", violation)] : []),
    ...(number.length === ORDER_NUMBER_LENGTH_MAX
      ? [signOf(asked, "long_numbers", violation)]
      : []),
  ]
}

function violationOfEcho(number: string, echoed: unknown): string | undefined {
  if (echoed === number) return undefined
  if (echoed === undefined) return "it names no order"
  if (echoed instanceof NumberSource) return "the order is a JSON number, not a string"
  return "it names another order"
}

function readStatus(asked: Asked, status: unknown): Sign[] {
  const part = STATUS_PARTS.get(status)
  if (part === undefined) return [signOf(asked, "status", "it is none of the four")]
  // What the client cannot use shows nothing of the status in it.
  const isUsable = asked.observation.answer.kind === "valid"
  return [signOf(asked, "status"), ...(isUsable ? [signOf(asked, part)] : [])]
}

function readAccrualSigns(asked: Asked, order: Record<string, unknown>): Sign[] {
  const { accrual, status } = order
  if (!STATUS_PARTS.has(status)) return []
  if (status !== "PROCESSED") {
    const violation = accrual === undefined ? undefined : `an accrual with ${String(status)}`
    return [signOf(asked, "accrual_place", violation)]
  }
  // Absent it is 0, which shows nothing of how an accrual is written.
  if (accrual === undefined) return []
  return [signOf(asked, "accrual", violationOfAccrual(accrual))]
}

function violationOfAccrual(accrual: unknown): string | undefined {
  const read = readAccrual(accrual)
  if (read.kind === "broken") return read.reason
  const isExact =
    accrual instanceof NumberSource && pointsFromNumber(Number(accrual.text)) !== undefined
  return isExact ? undefined : "more than two decimals, which our client rounds half up"
}
