import type { Answer } from "@gofermart/scoring-client/answer.ts"
import { pointsToNumber } from "@gofermart/shared/domain/points.ts"

const LATER = "polls again in about 1 s, then less and less often"

/**
 * What a worker does about an answer, in words. The steps themselves are the accrual worker's, in
 * `settlement/decide.ts` and `delays.ts`.
 */
export function describeConsequence(answer: Answer): string {
  const later = describeWait(answer)
  switch (answer.kind) {
    case "valid":
      return describeValid(answer.answer, later)
    case "too_many_requests": {
      const { pauseMs, limitPerMinute } = answer
      const limit = limitPerMinute === undefined ? "" : `; reads ${limitPerMinute} a minute`
      return `pauses the whole fleet for ${secondsOf(pauseMs)} s${limit}`
    }
    case "unavailable": {
      const { reason, pauseMs } = answer
      const pause =
        pauseMs === undefined ? "" : `; pauses the whole fleet for ${secondsOf(pauseMs)} s`
      return `no answer: ${reason}${pause}; ${later ?? LATER}, without end`
    }
    case "broken":
      return `not usable: ${answer.reason}; ${later ?? "polls again"} for 6 h, then an operator's`
  }
}

/** Where the answer says in Retry-After when its order may be polled again. */
function describeWait({ orderWaitMs }: Answer): string | undefined {
  if (orderWaitMs === undefined) return undefined
  return `polls this order again in ${secondsOf(orderWaitMs)} s or later`
}

function secondsOf(ms: number): number {
  return Math.ceil(ms / 1_000)
}

function describeValid(
  answer: Extract<Answer, { kind: "valid" }>["answer"],
  later: string | undefined,
): string {
  switch (answer.kind) {
    case "PROCESSED":
      return `credits ${pointsToNumber(answer.points).toFixed(2)} points`
    case "INVALID":
      return "settles the order as INVALID, without points"
    case "NOT_FINAL":
      return later ?? LATER
    case "NOT_REGISTERED":
      return `${later ?? "polls again, less and less often"}; UNREGISTERED after the grace time`
  }
}
