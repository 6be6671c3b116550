import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { type Points, NO_POINTS, roundToPoints } from "@gofermart/shared/domain/points.ts"
import type { ScoringAnswer } from "@gofermart/shared/ledger/settle-accruals.ts"
import { NumberSource, parseKeepingNumbers } from "./keep-numbers.ts"
import { readLimit } from "./rate-limit.ts"
import { readRetryAfter } from "./retry-after.ts"

/** What a poll brought. Only a valid answer ever reaches the ledger. */
export type Answer =
  | { kind: "valid"; answer: ScoringAnswer }
  | { kind: "too_many_requests"; pauseMs: number; limitPerMinute?: number }
  | { kind: "unavailable"; reason: string }
  | { kind: "broken"; reason: string }

export interface ScoringResponse {
  status: number
  contentType: string | undefined
  contentEncoding: string | undefined
  retryAfter: string | undefined
  body: string
}

/** 10^9 points: a larger accrual is a mistake of the scoring system, never a credit. */
const ACCRUAL_MAX = (1_000_000_000 * 100) as Points

/** Reads the scoring system's response to a poll about this order. Never throws. */
export function readAnswer(number: OrderNumber, response: ScoringResponse, now: Date): Answer {
  switch (response.status) {
    case 200:
      return readOrder(number, response)
    case 204:
      return { kind: "valid", answer: { kind: "NOT_REGISTERED" } }
    case 429:
      return readRefusal(response, now)
    default:
      return response.status >= 500
        ? { kind: "unavailable", reason: `it answered ${response.status}` }
        : broken(`it answered ${response.status}`)
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
  if (order["order"] !== number) return broken("it answered about another order")
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

/** Reads the accrual of a PROCESSED order, as `parseKeepingNumbers` has it. */
export function readAccrual(accrual: unknown): Answer {
  if (accrual === undefined) return processed(NO_POINTS)
  if (!(accrual instanceof NumberSource)) return broken("the accrual is not a number")
  const points = roundToPoints(accrual.text)
  if (points === undefined || points > ACCRUAL_MAX) return broken("the accrual is out of range")
  return processed(points)
}

export function isCompressed({ contentEncoding }: ScoringResponse): boolean {
  return !["", "identity"].includes(contentEncoding ?? "")
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
