import type { PauseRow } from "./known-pause.ts"
import type { LearnedLimit } from "./learned-limit.ts"

/** What the workers share; times are epoch milliseconds by the database's clock. */
export interface SharedPace {
  limit: LearnedLimit
  /** Since when the scoring system is down; null when it is not. */
  downSince: number | null
  /** When it last came back. */
  recoveredAt: number | null
  /** How long an answer usually takes, in milliseconds. */
  answerMs: number
}

/** The row `scoring_pace`, and what else the database says of when the fleet may poll. */
export interface PaceRow extends PauseRow {
  pace: SharedPace
  /** Raised by each write: whoever writes says which one it has read. */
  version: bigint
  /** Epoch milliseconds by the database's clock. */
  now: number
}

/** What one worker knows of the fleet's pace at one moment. */
export interface KnownPace {
  /** Undefined as long as it has not been read. */
  readonly pace: SharedPace | undefined
  /** Whether the database could be asked when it last was. */
  readonly isCurrent: boolean
  /** For how many more milliseconds nobody may poll; 0 when there is no pause. */
  readonly pauseMs: number
  /** Epoch milliseconds by the database's clock. */
  readonly now: number
}
