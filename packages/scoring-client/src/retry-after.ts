/** What a 429 without a usable Retry-After means. */
const PAUSE_DEFAULT_MS = 60_000
const PAUSE_MIN_MS = 1_000
/** A scoring system that asks for more is polled again after this all the same. */
export const PAUSE_MAX_MS = 10 * 60_000
/** An order that it wants to be polled later still is polled after this. */
export const ORDER_WAIT_MAX_MS = 24 * 3_600_000

/**
 * Reads the Retry-After header of a 429 (RFC 9110, section 10.2.3: seconds, or an HTTP date) as the
 * milliseconds from now that nobody is to poll. Absent or unreadable: the default; negative, past or
 * absurd: the nearest bound.
 */
export function readRetryAfter(header: string | undefined, now: Date): number {
  return pauseOf(parseRetryAfter(header, now) ?? PAUSE_DEFAULT_MS)
}

/**
 * Reads the Retry-After header of any other answer as the milliseconds from now, up to 24 h, that its
 * order is not to be polled. Undefined when it is absent, unreadable, or over.
 */
export function readOrderWait(header: string | undefined, now: Date): number | undefined {
  const ms = parseRetryAfter(header, now)
  return ms === undefined || ms <= 0 ? undefined : Math.min(ms, ORDER_WAIT_MAX_MS)
}

/** The milliseconds that nobody is to poll, when the scoring system asks for so many. */
export function pauseOf(ms: number): number {
  return Math.min(Math.max(ms, PAUSE_MIN_MS), PAUSE_MAX_MS)
}

/** The milliseconds from now that a Retry-After header says; undefined when it says nothing. */
export function parseRetryAfter(header: string | undefined, now: Date): number | undefined {
  const text = header?.trim() ?? ""
  const ms = /^-?[0-9]+$/.test(text) ? Number(text) * 1_000 : parseDate(text) - now.getTime()
  return Number.isNaN(ms) ? undefined : ms
}

/** The two forms of RFC 9110, section 5.6.7, that name their zone; and asctime's, which is of the same. */
const ZONED_DATE = /^[A-Z][a-z]{2,8}, \d{2}[ -][A-Z][a-z]{2}[ -]\d{2,4} \d{2}:\d{2}:\d{2} GMT$/
const ASCTIME_DATE = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/

// `Date.parse` alone makes a date of "tomorrow at 5".
function parseDate(text: string): number {
  if (ZONED_DATE.test(text)) return Date.parse(text)
  return ASCTIME_DATE.test(text) ? Date.parse(`${text} GMT`) : Number.NaN
}
