/**
 * What the fleet knows of how much the scoring system can be asked. Requests are counted by the
 * minute; times are epoch milliseconds by the database's clock.
 */
export interface LearnedLimit {
  /** Requests a minute; null as long as none was refused. */
  perMinute: number | null
  /** Whether the scoring system has named it, or a guess has been corrected once. */
  isConfirmed: boolean
  /** Whether it doubles every few seconds, until a request is refused. */
  isClimbing: boolean
  /** From when `calls` are counted; after a refusal the end of the pause. */
  windowBeganAt: number
  /** Answered and not refused, in the window. */
  calls: number
  /** Windows without a probe since a request was refused. */
  windowsHeld: number
  /** How often it has doubled in this window. */
  climbs: number
  /** Probes in a row that have met the same limit. */
  failedProbes: number
  /** What the guess was made from. */
  guessedCalls: number
  guessedOverMs: number | null
}

export interface Refusal {
  pauseMs: number
  /** Requests a minute, where the answer named it. */
  limitPerMinute: number | undefined
}

/** The part of a limit that is used: just under it. */
export const USED_PART = 0.95
/** The scoring system counts by the minute. Its minutes begin when a pause ends. */
const WINDOW_MS = 60_000
/** When nothing is paced, what is older than this counts no more. */
const WINDOW_KEPT_MS = 2 * WINDOW_MS
/** A probe is the end of a window: then a refusal costs a pause of seconds. */
const PROBE_LAST_MS = 20_000
/** So that a whole window with a probe uses 1.13 of the limit, and what the queue loses is no matter. */
const PROBE_PART = 1.5
/** Of a window that ends later, as while the database was away, nothing is known. */
const LATE_MS = 3_000
/** After each probe that has failed the next one waits twice as long: 1, 2, 4 … 32 minutes. */
const FAILED_PROBES_COUNTED_MAX = 5
/** While nothing is refused, twice as much is asked after this. */
const CLIMB_STEP_MS = 5_000
/** The part of what was allowed that must have been used to say that more may be. */
const USED_ENOUGH = 0.7
/** A limit beyond it is none. */
const PER_MINUTE_MAX = 1_000_000
/** Least of what is guessed: a stray refusal of a quiet fleet says nothing about a busy one. */
const GUESS_PER_MINUTE_MIN = 60
/** Of a limit that was kept to, and met all the same: others use it too. */
const BACK_DOWN = 0.9
/** But no less than this of the limit that is named. */
const BACK_DOWN_PART_MIN = 0.1

/** Nothing is known. */
export function noLimit(now: number): LearnedLimit {
  return {
    perMinute: null,
    isConfirmed: false,
    isClimbing: false,
    windowBeganAt: now,
    calls: 0,
    windowsHeld: 0,
    climbs: 0,
    failedProbes: 0,
    guessedCalls: 0,
    guessedOverMs: null,
  }
}

/** How many requests a minute the fleet may begin now; null when nothing limits it. */
export function pacePerMinute(limit: LearnedLimit, now: number): number | null {
  if (limit.perMinute === null) return null
  if (limit.isClimbing) return limit.perMinute
  const isProbe = isProbing(limit, now)
  return limit.perMinute * (isProbe ? PROBE_PART : USED_PART)
}

/** What is known when an outage is over: its window tells nothing, and nothing is probed at once. */
export function afterOutage(limit: LearnedLimit, now: number): LearnedLimit {
  return { ...limit, windowBeganAt: now, calls: 0, windowsHeld: 0, climbs: 0 }
}

/** What is known after `calls` more requests were answered and not refused, or none. */
export function afterCalls(limit: LearnedLimit, calls: number, now: number): LearnedLimit {
  if (now < limit.windowBeganAt) return withLateCalls(limit, calls)
  const counted = { ...limit, calls: limit.calls + calls }
  const elapsedMs = now - limit.windowBeganAt
  if (limit.perMinute === null) return withSlidWindow(counted, elapsedMs, calls, now)
  const { perMinute } = limit
  if (limit.isClimbing) return climb(counted, perMinute, elapsedMs, now)
  return elapsedMs < WINDOW_MS ? counted : withNextWindow(counted, perMinute, now)
}

/** What is known after a request was refused, and the pause that it asked for began. */
export function afterRefusal(limit: LearnedLimit, refusal: Refusal, now: number): LearnedLimit {
  const windowBeganAt = Math.max(limit.windowBeganAt, now + refusal.pauseMs)
  // The requests that were on their way are refused as well, and say nothing new.
  if (now < limit.windowBeganAt && limit.perMinute !== null) {
    const { limitPerMinute } = refusal
    const isNews =
      limitPerMinute !== undefined && (!limit.isConfirmed || limitPerMinute < limit.perMinute)
    return isNews
      ? { ...limit, ...confirmed(limitPerMinute), windowBeganAt }
      : { ...limit, windowBeganAt }
  }
  const wasProbe = limit.isClimbing || isProbing(limit, now)
  const learned =
    refusal.limitPerMinute === undefined
      ? guess(limit, wasProbe, refusal.pauseMs, now)
      : confirmed(told(limit, wasProbe, refusal.limitPerMinute))
  const isSame = learned.perMinute === limit.perMinute
  return {
    ...learned,
    windowBeganAt,
    calls: 0,
    windowsHeld: 0,
    climbs: 0,
    failedProbes: wasProbe && isSame ? limit.failedProbes + 1 : 0,
  }
}

function isProbing({ windowsHeld, failedProbes, windowBeganAt }: LearnedLimit, now: number) {
  const isDue = windowsHeld >= 2 ** Math.min(failedProbes, FAILED_PROBES_COUNTED_MAX)
  const elapsedMs = now - windowBeganAt
  return isDue && elapsedMs >= WINDOW_MS - PROBE_LAST_MS && elapsedMs < WINDOW_MS + LATE_MS
}

/** A worker tells of its requests only every second: of some when the pause has begun. */
function withLateCalls(limit: LearnedLimit, calls: number): LearnedLimit {
  const { guessedOverMs } = limit
  if (guessedOverMs === null || calls === 0) return limit
  const guessedCalls = limit.guessedCalls + calls
  return { ...limit, guessedCalls, perMinute: firstGuess(guessedCalls, guessedOverMs) }
}

/** Unpaced, the latest half to whole minute is kept in mind, for a guess. */
function withSlidWindow(limit: LearnedLimit, elapsedMs: number, calls: number, now: number) {
  if (elapsedMs < WINDOW_MS) return limit
  if (elapsedMs >= WINDOW_KEPT_MS) return { ...limit, windowBeganAt: now, calls }
  return {
    ...limit,
    windowBeganAt: limit.windowBeganAt + WINDOW_MS / 2,
    calls: Math.round(limit.calls / 2),
  }
}

function withNextWindow(limit: LearnedLimit, perMinute: number, now: number): LearnedLimit {
  const next = { ...limit, windowBeganAt: now, calls: 0 }
  if (now - limit.windowBeganAt >= WINDOW_MS + LATE_MS) return next
  if (!isProbing(limit, limit.windowBeganAt + WINDOW_MS)) {
    return { ...next, windowsHeld: limit.windowsHeld + 1 }
  }
  // Not refused, and more than the limit: it was raised. Less tells nothing; the next window may.
  if (limit.calls <= perMinute) return next
  return { ...next, perMinute: limit.calls, isClimbing: true, failedProbes: 0 }
}

function climb(
  limit: LearnedLimit,
  perMinute: number,
  elapsedMs: number,
  now: number,
): LearnedLimit {
  if (elapsedMs < CLIMB_STEP_MS * (limit.climbs + 1)) return limit
  // Each step allowed twice as many as the one before it.
  const allowed = (perMinute * (2 - 2 ** -limit.climbs) * CLIMB_STEP_MS) / WINDOW_MS
  if (limit.calls >= allowed * USED_ENOUGH) {
    const climbed = perMinute * 2
    if (climbed > PER_MINUTE_MAX) return noLimit(now)
    return { ...limit, perMinute: climbed, climbs: limit.climbs + 1 }
  }
  if (elapsedMs < WINDOW_MS) return limit
  return { ...limit, windowBeganAt: now, calls: 0, climbs: 0 }
}

type Learned = Pick<
  LearnedLimit,
  "perMinute" | "isConfirmed" | "isClimbing" | "guessedCalls" | "guessedOverMs"
>

function confirmed(perMinute: number): Learned {
  return { perMinute, isConfirmed: true, isClimbing: false, guessedCalls: 0, guessedOverMs: null }
}

/** The scoring system named a limit, which may be the one that was kept to. */
function told(limit: LearnedLimit, wasProbe: boolean, named: number): number {
  const { perMinute, isConfirmed } = limit
  if (perMinute === null || wasProbe || !isConfirmed || named < perMinute) return named
  return Math.max(perMinute * BACK_DOWN, named * BACK_DOWN_PART_MIN)
}

/** In the time until the next request is allowed, this many were: so many make a limit. */
function guess(limit: LearnedLimit, wasProbe: boolean, pauseMs: number, now: number): Learned {
  if (limit.perMinute !== null && limit.isConfirmed && wasProbe && !limit.isClimbing) {
    return confirmed(limit.perMinute)
  }
  const overMs = Math.max(now - limit.windowBeganAt, 0) + pauseMs
  if (limit.perMinute !== null) {
    const counted = Math.max((limit.calls * WINDOW_MS) / overMs, 1)
    return confirmed(limit.isClimbing ? counted : Math.min(counted, limit.perMinute * BACK_DOWN))
  }
  return {
    perMinute: firstGuess(limit.calls, overMs),
    isConfirmed: false,
    isClimbing: true,
    guessedCalls: limit.calls,
    guessedOverMs: overMs,
  }
}

function firstGuess(calls: number, overMs: number): number {
  return Math.max(GUESS_PER_MINUTE_MIN, (calls * WINDOW_MS) / overMs)
}
