import type { PaceSnapshot } from "../pacing/snapshot.ts"

const BACKOFF_FIRST_MS = 1_000
const BACKOFF_MAX_MS = 60_000
const UNKNOWN_DELAY_MIN_MS = 1_000
const UNKNOWN_DELAY_MAX_MS = 3_600_000
/** An unknown order is polled again when a quarter of its age has passed. */
const UNKNOWN_DELAY_PER_AGE = 1 / 4
/** Under a limit an order is polled again when all could have been twice. */
const ROUNDS_BETWEEN_POLLS = 2
const ROUND_DELAY_MAX_MS = 3_600_000
const OUTAGE_DELAY_MAX_MS = 3_600_000
/** Delays vary by this part to both sides, so that orders of one moment do not come back as one. */
const JITTER = 0.2
/** The last poll of the grace time comes this much after its end. */
const AFTER_GRACE_MS = 50

/** Milliseconds until the poll after `polls` of them: 1 s, 2 s, 4 s … 60 s, with jitter. */
export function backoffMs(polls: number, random: () => number): number {
  return jittered(BACKOFF_FIRST_MS * 2 ** polls, BACKOFF_MAX_MS, random)
}

/**
 * Milliseconds until an order unknown to the scoring system is polled again: longer the older
 * it is, and not much past the end of its grace time.
 */
export function unknownOrderDelayMs(
  order: { ageMs: number; unknownMs: number; graceMs: number },
  random: () => number,
): number {
  const byAge = Math.max(order.ageMs * UNKNOWN_DELAY_PER_AGE, UNKNOWN_DELAY_MIN_MS)
  const graceLeft = Math.max(0, order.graceMs - order.unknownMs) + AFTER_GRACE_MS
  return Math.min(jittered(byAge, UNKNOWN_DELAY_MAX_MS, random), graceLeft)
}

/**
 * Milliseconds until the poll of an order that would come after `delayMs`, so that each order gets its
 * turn at the fleet's pace: in an outage, under a limit, or neither.
 */
export function fleetDelayMs(
  delayMs: number,
  { downForMs, waiting, lastingPerMinute }: PaceSnapshot,
  random: () => number,
): number {
  if (downForMs !== undefined) return outageDelayMs(delayMs, downForMs, random)
  return pacedDelayMs(delayMs, { waiting, perMinute: lastingPerMinute }, random)
}

/**
 * Milliseconds until an order is polled again when so many requests a minute are allowed for
 * all that wait in the queue: at least twice as long as polling each of them once takes. So
 * those that were polled before need half of what is allowed, and the other half is left for
 * those that were not.
 */
export function pacedDelayMs(
  delayMs: number,
  { waiting, perMinute }: { waiting: number; perMinute: number | null },
  random: () => number,
): number {
  if (perMinute === null) return delayMs
  const roundMs = (waiting * 60_000) / perMinute
  return Math.max(delayMs, jittered(roundMs * ROUNDS_BETWEEN_POLLS, ROUND_DELAY_MAX_MS, random))
}

/**
 * Milliseconds until an order that was polled in an outage is polled again: at least for as
 * long as the outage has lasted. So orders that fail for a reason of their own do not come back so
 * often that no other one is ever polled, and the end of the outage not seen.
 */
export function outageDelayMs(delayMs: number, downForMs: number, random: () => number): number {
  return Math.max(delayMs, jittered(downForMs, OUTAGE_DELAY_MAX_MS, random))
}

/** Long delays vary below `maxMs`: cut there, they would all be the same. */
function jittered(ms: number, maxMs: number, random: () => number): number {
  const middle = Math.min(ms, maxMs / (1 + JITTER))
  return Math.round(middle * (1 - JITTER + 2 * JITTER * random()))
}
