import { lastingPerMinute, pacePerMinute } from "./learned-limit.ts"
import type { KnownPace } from "./shared-pace.ts"

/** The fleet's pace as one worker knows it at one moment: what a decision is made from. */
export interface PaceSnapshot {
  /** For how many more milliseconds nobody may poll; 0 when there is no pause. */
  readonly pauseMs: number
  /** For how many milliseconds the scoring system has been down; undefined when it is not. */
  readonly downForMs: number | undefined
  /** Polls a minute that the fleet may begin now; null without a limit, undefined when not known. */
  readonly perMinute: number | null | undefined
  /** Polls a minute that orders can count on that are put off; null when nothing limits them for long. */
  readonly lastingPerMinute: number | null
  /** Jobs in the queue that are not being worked on; counted under a limit only. */
  readonly waiting: number
}

/** With so many polls by the whole fleet no worker of it goes without one. */
const FLEET_SHARE_MIN = 1_000
/** Of difference between two pauses that does not count. */
const TOLERANCE_MS = 50

/** `waiting`: jobs in the queue that are not being worked on. */
export function snapshotOf({ pace, pauseMs, now }: KnownPace, waiting: number): PaceSnapshot {
  if (pace === undefined) {
    return { pauseMs, downForMs: undefined, perMinute: undefined, lastingPerMinute: null, waiting }
  }
  const { limit, downSince } = pace
  return {
    pauseMs,
    downForMs: downSince === null ? undefined : now - downSince,
    perMinute: pacePerMinute(limit, now),
    lastingPerMinute: lastingPerMinute(limit),
    waiting,
  }
}

/** Whether a pause of `pauseMs` is longer than the one there is, so that it is to be told. */
export function isLongerPause(pauseMs: number, remainingMs: number): boolean {
  return pauseMs > remainingMs + TOLERANCE_MS
}

/**
 * What a snapshot becomes when the scoring system says that it is down for `pauseMs`. In the middle
 * of a longer pause it says nothing new.
 */
export function withAnnouncedOutage(snapshot: PaceSnapshot, pauseMs: number): PaceSnapshot {
  if (!isLongerPause(pauseMs, snapshot.pauseMs)) return snapshot
  return { ...snapshot, pauseMs, downForMs: snapshot.downForMs ?? 0 }
}

/** Whether a worker may have nothing to begin for `forMs` although orders are due. */
export function isHoldingBack({ perMinute, downForMs }: PaceSnapshot, forMs: number): boolean {
  if (perMinute === undefined || downForMs !== undefined) return true
  return perMinute !== null && (perMinute * forMs) / 60_000 < FLEET_SHARE_MIN
}
