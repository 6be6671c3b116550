import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { type Points, NO_POINTS, roundToPoints } from "@gofermart/shared/domain/points.ts"
import type { ScoringAnswer } from "@gofermart/shared/ledger/settle-accruals.ts"
import { NumberSource, parseKeepingNumbers } from "./keep-numbers.ts"
import { readLimit } from "./rate-limit.ts"
import { pauseOf, readOrderWait, readRetryAfter } from "./retry-after.ts"

/** What a poll brought. Only a valid answer ever reaches the ledger. */
export type Answer = (
  | { kind: "valid"; answer: ScoringAnswer }
  | { kind: "too_many_requests"; pauseMs: number; limitPerMinute?: number }
  /** `pauseMs`: for how long nobody is to poll, where a 503 says so. */
  | { kind: "unavailable"; reason: string; pauseMs?: number }
  | { kind: "broken"; reason: string }
) & {
  /** For how long the order is not to be polled, where the answer says so; a 429 is not about it. */
  orderWaitMs?: number
}

export interface ScoringResponse {
  status: number
  contentType: string | undefined
  contentEncoding: string | undefined
  retryAfter: string | undefined
  body: string
  /** Why `body` is empty, where it did not come in full or is too large. */
  unread?: UnreadBody
}

/** What a body that could not be read makes of an answer that needs one. */
export interface UnreadBody {
  kind: "unavailable" | "broken"
  reason: string
}

/** 10^9 points: a larger accrual is a mistake of the scoring system, never a credit. */
const ACCRUAL_MAX = (1_000_000_000 * 100) as Points

/** Reads the scoring system's response to a poll about this order. Never throws. */
export function readAnswer(number: OrderNumber, response: ScoringResponse, now: Date): Answer {
  if (response.status === 429) return readRefusal(response, now)
  const answer = readContent(number, response)
  const orderWaitMs = readOrderWait(response.retryAfter, now)
  if (orderWaitMs === undefined) return answer
  return answer.kind === "unavailable" && response.status === 503
    ? { ...answer, orderWaitMs, pauseMs: pauseOf(orderWaitMs) }
    : { ...answer, orderWaitMs }
}

/** Whether this status is a refusal or a failure, whatever its body is. */
export function tellsByStatus(status: number): boolean {
  return status === 429 || status >= 500
}

function readContent(number: OrderNumber, response: ScoringResponse): Answer {
  const { status, unread } = response
  if (tellsByStatus(status)) return { kind: "unavailable", reason: `it answered ${status}` }
  if (unread !== undefined) return unread
  switch (status) {
    case 200:
      return readOrder(number, response)
    case 204:
      return { kind: "valid", answer: { kind: "NOT_REGISTERED" } }
    default:
      return broken(`it answered ${status}`)
  }
}

function readRefusal({ retryAfter, body }: ScoringResponse, now: Date): Answer {
  const pauseMs = readRetryAfter(retryAfter, now)
  const limitPerMinute = readLimit(body)
  const limit = limitPerMinute === undefined ? {} : { limitPerMinute }
  return { kind: "too_many_requests", pauseMs, ...limit }
}

function readOrder(number: OrderNumber, response: ScoringResponse): Answer {
  if (isCompressed(response)) return broken("the body is compressed, unasked")
  if (!isDeclaredAsJson(response)) return broken("the body is not declared as JSON")
  const order = parseKeepingNumbers(response.body)
  if (order === undefined) return broken("the body is not a JSON object")
  const wrongOrder = whatIsWrongInOrder(number, order["order"])
  if (wrongOrder !== undefined) return broken(wrongOrder)
  switch (order["status"]) {
    case "REGISTERED":
    case "PROCESSING":
      return { kind: "valid", answer: { kind: "NOT_FINAL" } }
    case "INVALID":
      return { kind: "valid", answer: { kind: "INVALID" } }
    case "PROCESSED":
      return readAccrual(order["accrual"])
    default:
      return broken("the status is not one of the protocol's")
  }
}

/** Why what an answer names as its order is not the number that was polled; undefined when it is. */
export function whatIsWrongInOrder(number: OrderNumber, named: unknown): string | undefined {
  if (named === number) return undefined
  if (named === undefined || named === null) return "the answer names no order"
  return typeof named === "string" ? "it answered about another order" : "the order is not a string"
}

/** Reads the accrual of a PROCESSED order, as `parseKeepingNumbers` has it. */
export function readAccrual(accrual: unknown): Answer {
  if (accrual === undefined) return processed(NO_POINTS)
  if (!(accrual instanceof NumberSource)) return broken("the accrual is not a number")
  const points = roundToPoints(accrual.text)
  if (points === undefined || points > ACCRUAL_MAX) return broken("the accrual is out of range")
  return processed(points)
}

/** A coding's name has no case, and a list may have empty members (RFC 9110, 5.6.1 and 8.4.1). */
export function isCompressed({ contentEncoding = "" }: ScoringResponse): boolean {
  const codings = contentEncoding.split(",").map((coding) => coding.trim().toLowerCase())
  return codings.some((coding) => coding !== "" && coding !== "identity")
}

export function isDeclaredAsJson({ contentType }: ScoringResponse): boolean {
  return /^application\/json\s*(;|$)/i.test(contentType ?? "")
}

function processed(points: Points): Answer {
  return { kind: "valid", answer: { kind: "PROCESSED", points } }
}

function broken(reason: string): Answer {
  return { kind: "broken", reason }
}
