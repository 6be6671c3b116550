/** What a 429 without a usable Retry-After means. */
const PAUSE_DEFAULT_MS = 60_000
const PAUSE_MIN_MS = 1_000
/** A scoring system that asks for more is asked again after this all the same. */
export const PAUSE_MAX_MS = 10 * 60_000

/**
 * Reads a Retry-After header (RFC 9110, section 10.2.3: seconds, or an HTTP date) as milliseconds
 * from now. Absent or unreadable: the default; negative, past or absurd: the nearest bound.
 */
export function readRetryAfter(header: string | undefined, now: Date): number {
  const ms = parseRetryAfter(header, now)
  return ms === undefined ? PAUSE_DEFAULT_MS : Math.min(Math.max(ms, PAUSE_MIN_MS), PAUSE_MAX_MS)
}

/** The milliseconds from now that a Retry-After header says; undefined when it says nothing. */
export function parseRetryAfter(header: string | undefined, now: Date): number | undefined {
  const text = header?.trim() ?? ""
  const ms = /^-?[0-9]+$/.test(text) ? Number(text) * 1_000 : parseDate(text) - now.getTime()
  return Number.isNaN(ms) ? undefined : ms
}

/** The two forms of RFC 9110, section 5.6.7, that name their zone. */
const HTTP_DATE = /^[A-Z][a-z]{2,8}, \d{2}[ -][A-Z][a-z]{2}[ -]\d{2,4} \d{2}:\d{2}:\d{2} GMT$/

// `Date.parse` alone makes a date of "tomorrow at 5".
function parseDate(text: string): number {
  return HTTP_DATE.test(text) ? Date.parse(text) : Number.NaN
}
