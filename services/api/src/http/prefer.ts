import { membersOf } from "./header-list.ts"

/** A client that would wait longer asks again. Many proxies wait for 60 s, and this is less. */
const WAIT_MAX_S = 50

/**
 * How long a request is willing to wait for its result, in whole seconds (RFC 7240, section 4.3);
 * undefined when it does not say, or not in numbers.
 */
export function preferredWaitS(header: string | string[] | undefined): number | undefined {
  const preferences = membersOf([header ?? []].flat().join(","))
  // Of several, the first counts (section 2).
  const wait = preferences.find((preference) => /^\s*wait\s*(=|;|$)/i.test(preference)) ?? ""
  const [, bare, quoted] = /^\s*wait\s*=\s*(?:(\d+)|"(\d+)")\s*(?:;|$)/i.exec(wait) ?? []
  const seconds = bare ?? quoted
  return seconds === undefined ? undefined : Math.min(Number(seconds), WAIT_MAX_S)
}

/** What an operation that may wait says of it in its description. */
export const PREFER_HEADER = {
  type: "string",
  description: `\`wait=N\`: answer when the order is final, or after N seconds (at most ${WAIT_MAX_S})`,
} as const

export const PREFERENCE_APPLIED = {
  "preference-applied": { type: "string", description: "`wait=N`, when it was waited for" },
}
