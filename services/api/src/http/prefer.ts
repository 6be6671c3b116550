/** A client that would wait longer asks again. */
const WAIT_MAX_S = 60

/**
 * How long a request is willing to wait for its result, in whole seconds (RFC 7240, section 4.3);
 * undefined when it does not say, or not in numbers.
 */
export function preferredWaitS(header: string | string[] | undefined): number | undefined {
  const preferences = [header ?? []].flat().join(",").split(",")
  for (const preference of preferences) {
    const seconds = /^\s*wait\s*=\s*"?(\d{1,9})"?\s*(;|$)/i.exec(preference)?.[1]
    if (seconds !== undefined) return Math.min(Number(seconds), WAIT_MAX_S)
  }
  return undefined
}

/** What an operation that may wait says of it in its description. */
export const PREFER_HEADER = {
  type: "string",
  description: `\`wait=N\`: answer when the order is final, or after N seconds (at most ${WAIT_MAX_S})`,
} as const

export const PREFERENCE_APPLIED = {
  "preference-applied": { type: "string", description: "`wait=N`, when it was waited for" },
}
