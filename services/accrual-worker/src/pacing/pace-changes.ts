import { isDeepStrictEqual } from "node:util"
import { afterCalls, afterRefusal, type Refusal } from "./learned-limit.ts"
import type { PaceRow, SharedPace } from "./shared-pace.ts"
import type { Tally } from "./tally.ts"

/**
 * Makes the next pace of the present one. `now`: epoch milliseconds by the database's clock;
 * `pauseMs`: for how much longer the fleet's pause is; 0 or less when it is over, by so much.
 */
export type PaceChange = (pace: SharedPace, now: number, pauseMs: number) => SharedPace

/** How much the answers of one report count for how long an answer usually takes. */
const ANSWER_TIME_WEIGHT = 0.2

/** A worker reports the answers that it has had since its last report, or that it has had none. */
export function reportAnswers({ calls, answerMs }: Tally): PaceChange {
  return (pace, now) => ({
    ...pace,
    limit: isIdle(pace, calls) ? pace.limit : afterCalls(pace.limit, calls, now),
    answerMs:
      calls === 0
        ? pace.answerMs
        : pace.answerMs + (answerMs / calls - pace.answerMs) * ANSWER_TIME_WEIGHT,
  })
}

/** Without a limit and without calls there is nothing to count. */
function isIdle({ limit }: SharedPace, calls: number): boolean {
  return limit.perMinute === null && calls === 0
}

/** A worker was refused, after `calls` answers that it has not reported. */
export function learnFromRefusal(refusal: Refusal, calls: number): PaceChange {
  return (pace, now) => ({
    ...pace,
    limit: afterRefusal(afterCalls(pace.limit, calls, now), refusal, now),
  })
}

/**
 * What a change makes of the row, and whether that is to be written. `isNews`: also when it is what
 * the row says already, so that whoever has read the row before reads it again.
 */
export function changeRow(
  row: PaceRow,
  change: PaceChange,
  isNews: boolean,
): { pace: SharedPace; isToWrite: boolean } {
  const pace = change(withPauseOver(row), row.now, row.pauseMs)
  return { pace, isToWrite: isNews || !isDeepStrictEqual(pace, row.pace) }
}

/** The minute after a pause begins when an operator has ended that. */
function withPauseOver({ pace, pauseMs, now }: PaceRow): SharedPace {
  if (pauseMs > 0 || pace.limit.windowBeganAt <= now) return pace
  return { ...pace, limit: { ...pace.limit, windowBeganAt: now } }
}
