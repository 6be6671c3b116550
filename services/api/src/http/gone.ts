import type { FastifyReply } from "fastify"

/** Aborts when the client has hung up, which it may have done before its request was looked at. */
export function whenGone({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController()
  if (raw.destroyed) gone.abort()
  else raw.once("close", () => gone.abort())
  return gone.signal
}
