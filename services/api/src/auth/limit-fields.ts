import type { FastifyReply } from "fastify"
import type { Attempt } from "./throttle.ts"

/**
 * Tells the client how far it is from the limit, and when to come back
 * (https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/).
 */
export function tellLimit(reply: FastifyReply, { refused, standing }: Attempt<unknown>): void {
  const { policy, remaining, endsAtMs } = standing
  const secondsLeft = Math.max(1, Math.ceil((endsAtMs - Date.now()) / 1_000))
  const windowS = Math.ceil(policy.windowMs / 1_000)
  reply.header("ratelimit-policy", `"${policy.name}";q=${policy.attemptsMax};w=${windowS}`)
  reply.header("ratelimit", `"${policy.name}";r=${remaining};t=${secondsLeft}`)
  if (refused) reply.header("retry-after", secondsLeft)
}
