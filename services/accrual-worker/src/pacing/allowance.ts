import { pacePerMinute, tricklePerMinute } from "./learned-limit.ts"
import type { KnownPace, SharedPace } from "./shared-pace.ts"

/** Jobs that the whole fleet may begin in a time; BullMQ's global rate limit. */
export interface Allowance {
  max: number
  durationMs: number
}

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

/** What the queue holds all workers to. */
export interface QueueHold {
  /** For how many milliseconds from now nobody may begin anything. */
  pauseMs: number
  /** And then; undefined when nothing limits them. */
  limit: Allowance | undefined
}

/**
 * What the queue is to be held to; undefined when this worker is not the one to say. Who does not know
 * what the others have learned may hold the fleet, but not let it go.
 */
export function queueHoldOf({ pace, isCurrent, pauseMs, now }: KnownPace): QueueHold | undefined {
  if (pace === undefined) return undefined
  const isHolding = pauseMs > 0 || pace.downSince !== null
  return isCurrent || isHolding ? { pauseMs, limit: allowanceOf(pace, now) } : undefined
}

/** What the fleet may begin at `now`, outside of a pause; undefined when nothing limits it. */
export function allowanceOf(pace: SharedPace, now: number): Allowance | undefined {
  if (pace.downSince !== null) return evenly(tricklePerMinute(pace.limit), pace.answerMs)
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

function evenly(perMinute: number, answerMs: number): Allowance {
  const wishedMs = Math.max(
    DURATION_MIN_MS,
    Math.min(answerMs * ANSWERS_PER_DURATION, DURATION_MAX_MS),
  )
  const max = Math.max(1, Math.floor((perMinute * wishedMs) / MINUTE_MS))
  return { max, durationMs: Math.ceil((max * MINUTE_MS) / perMinute) }
}
