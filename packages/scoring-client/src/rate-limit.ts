/** More than any scoring system allows: a larger number in its sentence is a mistake. */
const LIMIT_PER_MINUTE_MAX = 100_000_000

/** As many digits as the largest limit has. */
const SENTENCE = /\bno more than (\d{1,9}) requests per minute allowed\b/i

/**
 * Reads how many requests a minute a scoring system allows from the body of its 429:
 * `No more than N requests per minute allowed`, in any case, with any white space between the words
 * and any text around them. Undefined when the body does not say it, or says less than 1 or more
 * than 100,000,000.
 */
export function readLimit(body: string): number | undefined {
  // Of one space each, the pattern cannot backtrack: the time is linear in the body's length.
  const [, digits] = SENTENCE.exec(body.replaceAll(/\s+/g, " ")) ?? []
  const limit = Number(digits)
  return limit >= 1 && limit <= LIMIT_PER_MINUTE_MAX ? limit : undefined
}
