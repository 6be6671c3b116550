import type { Observation } from "@gofermart/scoring-client/observe.ts"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { describeConsequence } from "./consequence.ts"
import type { CheckId } from "./checks.ts"

/** One poll, and what became of it. */
export interface Poll {
  number: OrderNumber
  /** What the scoring system should know: "shorter" is a known number without its zeros. */
  expected: "known" | "unknown" | "shorter"
  observation: Observation
  at: Date
  tookMs: number
}

/** A request, and what of its response is shown. */
export interface Seen {
  request: string
  /** Absent when no response came in full. */
  status?: number
  body?: string
  tookMs: number
}

/** That a rule of the protocol was seen honoured, or violated. */
export interface Finding {
  check: CheckId
  violation?: string
  seen: Seen
  /** What our client makes of it. */
  client: string
}

/** What a poll shows of one check; without a violation, that it is honoured. */
export function findingOf(
  poll: Poll,
  check: CheckId,
  violation?: string,
  client?: string,
): Finding {
  return {
    check,
    ...(violation === undefined ? {} : { violation }),
    seen: seenOf(poll),
    client: client ?? describeConsequence(poll.observation.answer),
  }
}

/** As much of a body as is kept. */
const BODY_SHOWN_MAX = 200

function seenOf({ number, observation, tookMs }: Poll): Seen {
  const request = `GET /api/orders/${number}`
  const response = observation.received?.response
  if (response === undefined) return { request, tookMs }
  const body = response.body.slice(0, BODY_SHOWN_MAX)
  return { request, status: response.status, ...(body === "" ? {} : { body }), tookMs }
}
