import { type LearnedLimit, pacePerMinute, USED_PART } from "./learned-limit.ts"

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

/** Jobs that the whole fleet may begin in a time; BullMQ's global rate limit. */
export interface Allowance {
  max: number
  durationMs: number
}

/** During an outage one poll a second finds out when it is over. */
const TRICKLE: Allowance = { max: 1, durationMs: 1_000 }
/** After an outage a fleet that knows no limit begins so, and doubles it every quarter second. */
const RAMP_FIRST_PER_SECOND = 50
const RAMP_STEP_MS = 250
const RAMP_MS = 2_500
/**
 * A worker that was told to wait, and has calls under way, comes back only when one of them ends.
 * So the allowance is for a time that they take, in which they do not miss it; but no longer than
 * within a second no more begin than in a second of the limit.
 */
const ANSWERS_PER_DURATION = 2
const DURATION_MIN_MS = 50
const DURATION_MAX_MS = 1_000
const MINUTE_MS = 60_000

/** What the fleet may begin at `now`, outside of a pause; undefined when nothing limits it. */
export function allowanceOf(pace: SharedPace, now: number): Allowance | undefined {
  if (pace.downSince !== null) return trickle(pace)
  const perMinute = pacePerMinute(pace.limit, now)
  if (perMinute !== null) return evenly(perMinute, pace.answerMs)
  const sinceMs = pace.recoveredAt === null ? Infinity : now - pace.recoveredAt
  // The database's clock may have been set back.
  if (sinceMs < 0 || sinceMs >= RAMP_MS) return undefined
  const perSecond = RAMP_FIRST_PER_SECOND * 2 ** Math.floor(sinceMs / RAMP_STEP_MS)
  return evenly(perSecond * 60, DURATION_MIN_MS)
}

/** Whether the allowance will change within the next moments. */
export function isRamping(pace: SharedPace, now: number): boolean {
  if (pace.recoveredAt === null) return false
  const sinceMs = now - pace.recoveredAt
  return sinceMs >= 0 && sinceMs < RAMP_MS + RAMP_STEP_MS
}

/** A limit may be lower than that. */
function trickle({ limit, answerMs }: SharedPace): Allowance {
  const perMinute = (limit.perMinute ?? Infinity) * USED_PART
  const isLower = perMinute < (TRICKLE.max * MINUTE_MS) / TRICKLE.durationMs
  return isLower ? evenly(perMinute, answerMs) : TRICKLE
}

function evenly(perMinute: number, answerMs: number): Allowance {
  const wishedMs = Math.max(
    DURATION_MIN_MS,
    Math.min(answerMs * ANSWERS_PER_DURATION, DURATION_MAX_MS),
  )
  const max = Math.max(1, Math.floor((perMinute * wishedMs) / MINUTE_MS))
  return { max, durationMs: Math.ceil((max * MINUTE_MS) / perMinute) }
}
