import { duration, textSetting, toMs } from "@gofermart/shared/runtime/env.ts"
import { setting } from "@gofermart/shared/runtime/setting.ts"

/** How a process finds the scoring system; read them with `readScoring`. */
export const scoringSettings = {
  SCORING_URL: setting(
    textSetting(
      { description: "the scoring system's address, such as http://scoring:8080" },
      whatIsWrongInScoringUrl,
    ),
    { purpose: "where to poll for what an order earns" },
  ),
  SCORING_TIMEOUT: setting(duration("10s"), {
    purpose: "the timeout for one request to the scoring system",
  }),
}

/** Where the scoring system is, and the timeout for one request. */
export interface ScoringAddress {
  url: string
  timeoutMs: number
}

/** Reads settings that their schema has checked. */
export function readScoring(read: {
  SCORING_URL: string
  SCORING_TIMEOUT: string
}): ScoringAddress {
  return { url: withScheme(read.SCORING_URL), timeoutMs: toMs(read.SCORING_TIMEOUT) }
}

/** The contract's address may be without a scheme. */
export function withScheme(url: string): string {
  return url.includes("://") ? url : `http://${url}`
}

/**
 * What keeps our client from polling there, in a few words without any of it; undefined when nothing
 * does. The number of an order is put behind it, so nothing may come after its path.
 */
export function whatIsWrongInScoringUrl(text: string): string | undefined {
  // oxlint-disable-next-line no-control-regex
  if (/[\s\\\u0000-\u001f\u007f]/.test(text)) return "it has white space or a backslash in it"
  // Without the second slash the scheme would be taken for a host.
  if (/^https?:(?!\/\/|[0-9])/i.test(text)) return "its scheme is not followed by two slashes"
  if (!/^https?:\/\/[^/]/.test(withScheme(text))) return "it is no http or https address"
  const url = URL.parse(withScheme(text))
  if (url === null) return "its host or its port is not one"
  if (url.port === "0") return "its port is not a number from 1 to 65535"
  if (url.username !== "" || url.password !== "" || text.includes("@")) {
    return "it has a user name or a password"
  }
  if (/[?#]/.test(text)) return "it has a query or a fragment"
  try {
    decodeURIComponent(url.pathname)
  } catch {
    return "what is written with % in it is not UTF-8"
  }
  return undefined
}
