import type { FastifyReply } from "fastify"

/** How far a client is from a limit. */
export interface LimitStanding {
  /** Names the limit. */
  name: string
  /** How many there may be, in the window if there is one. */
  max: number
  windowS?: number
  remaining: number
  /** Until there is more room again, as far as is known. */
  secondsLeft: number
}

/**
 * Tells the client how far it is from a limit, and on a refusal when to come back
 * (https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/).
 */
export function setRateLimitHeaders(
  reply: FastifyReply,
  refused: boolean,
  standing: LimitStanding,
): void {
  const { name, max, windowS, remaining, secondsLeft } = standing
  const window = windowS === undefined ? "" : `;w=${windowS}`
  reply.header("ratelimit-policy", `"${name}";q=${max}${window}`)
  reply.header("ratelimit", `"${name}";r=${remaining};t=${secondsLeft}`)
  if (refused) reply.header("retry-after", secondsLeft)
}

/** The same in the description of an answer. */
export const LIMIT_HEADERS = {
  "ratelimit-policy": { type: "string", description: "the quota, and its window in seconds" },
  ratelimit: { type: "string", description: "what remains, and the seconds until there is more" },
}
