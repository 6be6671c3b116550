import type { Observation } from "@gofermart/scoring-client/observe.ts"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { describeConsequence } from "./consequence.ts"
import type { PartId } from "./parts.ts"

/** One question, and what became of it. */
export interface Asked {
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

/** That a part of the protocol was seen honoured, or violated. */
export interface Sign {
  part: PartId
  violation?: string
  seen: Seen
  /** What our client makes of it. */
  client: string
}

/** What a question shows of one part; without a violation, that it is honoured. */
export function signOf(asked: Asked, part: PartId, violation?: string, client?: string): Sign {
  return {
    part,
    ...(violation === undefined ? {} : { violation }),
    seen: seenOf(asked),
    client: client ?? describeConsequence(asked.observation.answer),
  }
}

/** As much of a body as is kept. */
const BODY_SHOWN_MAX = 200

function seenOf({ number, observation, tookMs }: Asked): Seen {
  const request = `GET /api/orders/${number}`
  const response = observation.received?.response
  if (response === undefined) return { request, tookMs }
  const body = response.body.slice(0, BODY_SHOWN_MAX)
  return { request, status: response.status, ...(body === "" ? {} : { body }), tookMs }
}
