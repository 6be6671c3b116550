import type { FastifyReply } from "fastify"

/** Aborts when the client has hung up, which it may have done before its request was looked at. */
export function onDisconnect({ raw }: FastifyReply): AbortSignal {
  const disconnected = new AbortController()
  if (raw.destroyed) disconnected.abort()
  else raw.once("close", () => disconnected.abort())
  return disconnected.signal
}
