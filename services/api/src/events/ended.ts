import type { FastifyReply } from "fastify"

/** A reader that takes nothing in this time, heartbeats included, is cut off and may resume. */
const STALLED_TIMEOUT_MS = 60_000
/** For the rest of a stream that was ended to reach its reader. */
const END_TIMEOUT_MS = 1_000

/**
 * Aborts when the stream that answers this request is over: its reader is gone or takes nothing,
 * its token has expired, or the server closes. A reader that does not even take the end is cut off.
 */
export function whenEnded(
  { raw }: FastifyReply,
  { expiresAt, closing, gone }: { expiresAt: Date; closing: AbortSignal; gone: AbortSignal },
): AbortSignal {
  const over = new AbortController()
  const end = () => {
    over.abort()
    setTimeout(() => raw.writableFinished || raw.destroy(), END_TIMEOUT_MS).unref()
  }
  const expiry = setTimeout(end, expiresAt.getTime() - Date.now()).unref()
  closing.addEventListener("abort", end)
  raw.setTimeout(STALLED_TIMEOUT_MS, () => raw.destroy())
  gone.addEventListener("abort", () => {
    over.abort()
    clearTimeout(expiry)
    closing.removeEventListener("abort", end)
  })
  if (closing.aborted || gone.aborted) end()
  return over.signal
}
