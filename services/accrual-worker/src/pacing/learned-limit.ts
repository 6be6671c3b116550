/**
 * What the fleet knows of how much the scoring system can be polled. Requests are counted by the
 * minute; times are epoch milliseconds by the database's clock.
 *
 * A limit is held to, and probed at the end of a minute: sooner or later, by how often that has
 * failed. Where a probe is not refused the fleet climbs: it polls twice as much every few seconds,
 * and when nothing is refused until the end of that, there is no limit any more. So each limit ends,
 * if the scoring system lets it: a guess within two minutes, any other within half an hour.
 */
export interface LearnedLimit {
  /** Requests a minute; null as long as none was refused. */
  perMinute: number | null
  /** Whether the scoring system has named it, or has refused a probe of it; else it is a guess. */
  isConfirmed: boolean
  /** Whether it is being exceeded, more and more, until a request is refused. */
  isClimbing: boolean
  /** From when `calls` are counted; after a refusal the end of the pause. */
  windowBeganAt: number
  /** Answered and not refused, in the window. */
  calls: number
  /** Windows that have ended since a request was refused; when a probe is due, those with calls. */
  windowsHeld: number
  /** Probes in a row that have met the same limit. */
  failedProbes: number
}

export interface Refusal {
  pauseMs: number
  /** Requests a minute, where the answer named it. */
  limitPerMinute: number | undefined
}

/** The part of a limit that is used: just under it. */
const USED_PART = 0.95
/** Until an answer says that a pause, or an outage, is really over: one request a second. */
const TRICKLE_PER_MINUTE = 60
/** The scoring system counts by the minute. Its minutes begin when a pause ends. */
const WINDOW_MS = 60_000
/** When nothing is paced, what is older than this counts no more. */
const WINDOW_KEPT_MS = 2 * WINDOW_MS
/** A probe is the end of a window: then a refusal costs a pause of seconds. */
const PROBE_LAST_MS = 20_000
/** So that a whole window with a probe uses 1.13 of the limit, and what the queue loses is no matter. */
const PROBE_PART = 1.5
/** On top of that part: two in a probe, so that a limit of 1 is exceeded as well. */
const PROBE_MORE_PER_MINUTE = 6
/** Each probe that is not refused, and does not exceed the limit either, makes the next one twice as high. */
const PROBE_DOUBLINGS_MAX = 3
/** A probe that nobody ends, as while the database is away, is over so long after its window. */
const LATE_MS = 3_000
/** A confirmed limit is probed after so many windows: 1, and twice as many after each that has failed. */
const WINDOWS_HELD_MAX = 16
/** While it climbs, the fleet polls twice as much after each step. */
const CLIMB_STEP_MS = 5_000
/** After so many steps, to a thousand times the limit, there is none. */
const CLIMB_STEPS = 10
const CLIMB_MS = CLIMB_STEPS * CLIMB_STEP_MS
/** Least of what is guessed: a stray refusal of a quiet fleet says nothing about a busy one. */
const GUESS_PER_MINUTE_MIN = 60
/** Most that is left of a limit that was kept to, and met all the same: others use it too. */
const BACK_DOWN = 0.9
/** Least that one refusal leaves of a limit, when it does not name another. */
const HALF = 0.5
/** Least that refusals leave of the limit that they name. */
const BACK_DOWN_PART_MIN = 0.1
/** A scoring system names no lower limit. */
const NAMED_PER_MINUTE_MIN = 1

/** Nothing is known. */
export function noLimit(now: number): LearnedLimit {
  return {
    perMinute: null,
    isConfirmed: false,
    isClimbing: false,
    windowBeganAt: now,
    calls: 0,
    windowsHeld: 0,
    failedProbes: 0,
  }
}

/** How many requests a minute the fleet may begin now; null when nothing limits it. */
export function pacePerMinute(limit: LearnedLimit, now: number): number | null {
  const { perMinute } = limit
  if (perMinute === null) return null
  if (isAwaitingAnswer(limit)) return tricklePerMinute(limit)
  if (limit.isClimbing) {
    const steps = Math.floor((now - limit.windowBeganAt) / CLIMB_STEP_MS)
    return perMinute * 2 ** Math.min(Math.max(steps, 0), CLIMB_STEPS)
  }
  if (isProbing(limit, now)) return probePerMinute(limit, perMinute)
  return perMinute * USED_PART
}

/**
 * How many requests a minute orders can count on that are put off; null when nothing limits them for
 * long. It is neither a probe's pace nor a pause's: those are over sooner.
 */
export function lastingPerMinute(limit: LearnedLimit): number | null {
  if (limit.perMinute === null || isGuess(limit) || limit.isClimbing) return null
  return limit.perMinute * USED_PART
}

/** The requests a minute that find out whether it answers again; a limit may be lower still. */
export function tricklePerMinute({ perMinute }: LearnedLimit): number {
  return Math.min((perMinute ?? Infinity) * USED_PART, TRICKLE_PER_MINUTE)
}

/** Whether nothing was answered since a request was refused: the pause may not be really over. */
export function isAwaitingAnswer({ perMinute, windowsHeld, calls }: LearnedLimit): boolean {
  return perMinute !== null && windowsHeld === 0 && calls === 0
}

/** Whether the limit is one that nobody has named, and no probe has met. */
export function isGuess({ perMinute, isConfirmed }: LearnedLimit): boolean {
  return perMinute !== null && !isConfirmed
}

/** What is known when an outage is over: its window tells nothing but of the answer that ended it. */
export function afterOutage(limit: LearnedLimit, now: number): LearnedLimit {
  return { ...limit, windowBeganAt: now, calls: 1, windowsHeld: 0 }
}

/** What is known after `calls` more requests were answered and not refused, or none. */
export function afterCalls(limit: LearnedLimit, calls: number, now: number): LearnedLimit {
  // A worker tells of its requests only every second: of some when the pause has begun.
  if (now < limit.windowBeganAt) return limit
  const counted = { ...limit, calls: limit.calls + calls }
  const elapsedMs = now - limit.windowBeganAt
  if (limit.perMinute === null) return withSlidWindow(counted, elapsedMs, calls, now)
  if (limit.isClimbing) return elapsedMs < CLIMB_MS ? counted : withClimbOver(counted, now)
  return elapsedMs < WINDOW_MS ? counted : withNextWindow(counted, limit.perMinute, now)
}

/** What is known after a request was refused, and the pause that it asked for began. */
export function afterRefusal(limit: LearnedLimit, refusal: Refusal, now: number): LearnedLimit {
  const { limitPerMinute: named, pauseMs } = refusal
  return {
    ...limit,
    windowBeganAt: Math.max(limit.windowBeganAt, now + pauseMs),
    calls: 0,
    windowsHeld: 0,
    ...(named === undefined ? guessed(limit, pauseMs, now) : told(limit, named, now)),
  }
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

function withClimbOver(limit: LearnedLimit, now: number): LearnedLimit {
  return limit.calls === 0 ? { ...limit, windowBeganAt: now } : noLimit(now)
}

function withNextWindow(limit: LearnedLimit, perMinute: number, now: number): LearnedLimit {
  const isClimbing = isRefuted(limit, perMinute, now)
  // A probe that nobody made, as when no order waits, says nothing about how high the next is to be.
  const isIdle = limit.calls === 0 && isProbeDue(limit)
  const windowsHeld = limit.windowsHeld + (isIdle ? 0 : 1)
  return { ...limit, windowBeganAt: now, calls: 0, windowsHeld, isClimbing }
}

/**
 * Whether a window that nothing was refused in says that there may be no such limit. It may have lasted
 * for longer than a minute, when the row was looked up late.
 */
function isRefuted(limit: LearnedLimit, perMinute: number, now: number): boolean {
  if (!limit.isConfirmed) return limit.calls > 0
  const polledPerMinute = (limit.calls * WINDOW_MS) / (now - limit.windowBeganAt)
  return isProbeDue(limit) && polledPerMinute > perMinute
}

function isProbing(limit: LearnedLimit, now: number): boolean {
  const elapsedMs = now - limit.windowBeganAt
  const isTime = elapsedMs >= WINDOW_MS - PROBE_LAST_MS && elapsedMs < WINDOW_MS + LATE_MS
  return isTime && isProbeDue(limit)
}

/** A guess is probed in its first window. */
function isProbeDue(limit: LearnedLimit): boolean {
  return limit.windowsHeld >= windowsToHold(limit)
}

function windowsToHold({ isConfirmed, failedProbes }: LearnedLimit): number {
  return isConfirmed ? Math.min(2 ** failedProbes, WINDOWS_HELD_MAX) : 0
}

/** A fleet that loses much of what it is allowed, as by slow answers, would never exceed the limit. */
function probePerMinute(limit: LearnedLimit, perMinute: number): number {
  const probes = Math.min(limit.windowsHeld - windowsToHold(limit), PROBE_DOUBLINGS_MAX)
  return (perMinute * PROBE_PART + PROBE_MORE_PER_MINUTE) * 2 ** probes
}

type Learned = Pick<LearnedLimit, "perMinute" | "isConfirmed" | "isClimbing" | "failedProbes">

/** The scoring system named a limit, which may be the one that was kept to. */
function told(limit: LearnedLimit, named: number, now: number): Learned {
  const { perMinute, isConfirmed, failedProbes } = limit
  const learned = { perMinute: named, isConfirmed: true, isClimbing: false, failedProbes: 0 }
  if (perMinute === null || !isConfirmed || named < perMinute) return learned
  if (limit.isClimbing || isProbing(limit, now)) {
    return named === perMinute ? { ...learned, failedProbes: failedProbes + 1 } : learned
  }
  // As do the requests that were on their way when another was refused.
  if (limit.calls === 0) return { ...learned, perMinute, failedProbes }
  const left = Math.max(perMinute * BACK_DOWN, named * BACK_DOWN_PART_MIN, NAMED_PER_MINUTE_MIN)
  return { ...learned, perMinute: left }
}

/** In the time until the next request is allowed, `calls` were: so many may make a limit. */
function guessed(limit: LearnedLimit, pauseMs: number, now: number): Learned {
  const { perMinute, isConfirmed, isClimbing, failedProbes, calls } = limit
  const counted = (calls * WINDOW_MS) / (Math.max(now - limit.windowBeganAt, 0) + pauseMs)
  const guess = { isConfirmed: false, isClimbing: false, failedProbes: 0 }
  if (perMinute === null) {
    return { ...guess, perMinute: Math.max(counted, GUESS_PER_MINUTE_MIN), isClimbing: true }
  }
  const unchanged = { perMinute, isConfirmed, isClimbing, failedProbes }
  // Of a window without calls there is nothing to learn.
  if (calls === 0) return unchanged
  const least = Math.max(perMinute * HALF, GUESS_PER_MINUTE_MIN)
  if (isClimbing) return { ...guess, perMinute: Math.max(counted, least) }
  if (isProbing(limit, now)) {
    if (isConfirmed) return { ...unchanged, failedProbes: failedProbes + 1 }
    const met = Math.max(Math.min(counted, perMinute * PROBE_PART), perMinute)
    return { perMinute: met, isConfirmed: true, isClimbing: false, failedProbes: 1 }
  }
  if (perMinute <= GUESS_PER_MINUTE_MIN) return unchanged
  return { ...guess, perMinute: Math.max(Math.min(counted, perMinute * BACK_DOWN), least) }
}
