import type { Answer } from "@gofermart/scoring-client/answer.ts"
import { pointsToNumber } from "@gofermart/shared/domain/points.ts"

const LATER = "asks again in about 1 s, then less and less often"

/**
 * What a worker does about an answer, in words. The steps themselves are the accrual worker's, in
 * `settlement/decide.ts` and `delays.ts`.
 */
export function describeConsequence(answer: Answer): string {
  switch (answer.kind) {
    case "valid":
      return describeValid(answer.answer)
    case "too_many_requests": {
      const { pauseMs, limitPerMinute } = answer
      const limit = limitPerMinute === undefined ? "" : `; reads ${limitPerMinute} a minute`
      return `pauses the whole fleet for ${Math.ceil(pauseMs / 1_000)} s${limit}`
    }
    case "unavailable":
      return `no answer: ${answer.reason}; ${LATER}, without end`
    case "broken":
      return `not usable: ${answer.reason}; asks again for 6 h, then an operator's`
  }
}

function describeValid(answer: Extract<Answer, { kind: "valid" }>["answer"]): string {
  switch (answer.kind) {
    case "PROCESSED":
      return `credits ${pointsToNumber(answer.points).toFixed(2)} points`
    case "INVALID":
      return "settles the order as INVALID, without points"
    case "NOT_FINAL":
      return LATER
    case "NOT_REGISTERED":
      return "asks again, less and less often; UNREGISTERED after the grace time"
  }
}
