import { isRamping } from "./allowance.ts"
import type { KnownPace } from "./shared-pace.ts"

/** How often the fleet's pace is looked up in the database, and this worker's answers are reported. */
const LOOK_UP_INTERVAL_MS = 1_000
/** How often, while the allowance changes by the moment, the queue is checked to hold it. */
const GUARD_INTERVAL_MS = 100

/** Milliseconds until the queue is to be checked again. */
export function untilNextCheckMs(known: KnownPace): number {
  const { pace, pauseMs, now } = known
  const isChanging = pauseMs > 0 || (pace !== undefined && isRamping(pace, now))
  return untilPauseEndsMs(isChanging ? GUARD_INTERVAL_MS : LOOK_UP_INTERVAL_MS, pauseMs)
}

/** Milliseconds until the row is to be looked up again. */
export function untilNextLookUpMs({ pauseMs }: KnownPace): number {
  return untilPauseEndsMs(LOOK_UP_INTERVAL_MS, pauseMs)
}

/**
 * At the end of a pause the row is looked up at once: who does not know that somebody was answered
 * would hold all others to one poll a second.
 */
function untilPauseEndsMs(ms: number, pauseMs: number): number {
  return pauseMs > 0 ? Math.min(pauseMs, ms) : ms
}
