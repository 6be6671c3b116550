import { duration, toMs } from "@gofermart/shared/runtime/env.ts"
import { Type } from "typebox"

/** How a process finds the scoring system; read them with `readScoring`. */
export const scoringSettings = {
  SCORING_URL: Type.String({
    pattern: "^(https?://)?(\\[[0-9a-fA-F:.]+\\]|[^/\\s:@]+)(:[0-9]{1,5})?(/\\S*)?$",
    description: "the scoring system's address, such as http://scoring:8080",
  }),
  SCORING_TIMEOUT: duration("10s"),
}

/** Where the scoring system is, and how long an answer of its may take. */
export interface ScoringAddress {
  url: string
  timeoutMs: number
}

/** Reads settings that their schema has checked; the contract's address may be without a scheme. */
export function readScoring(read: {
  SCORING_URL: string
  SCORING_TIMEOUT: string
}): ScoringAddress {
  const hasScheme = /^https?:\/\//.test(read.SCORING_URL)
  return {
    url: hasScheme ? read.SCORING_URL : `http://${read.SCORING_URL}`,
    timeoutMs: toMs(read.SCORING_TIMEOUT),
  }
}
