import type { FastifyReply } from "fastify"
import type { UnansweredConnections } from "./unanswered.ts"

/** A reader that takes nothing in this time, heartbeats included, is cut off and may resume. */
const STALLED_TIMEOUT_MS = 600_000
/** Of a stream whose reader may have vanished unnoticed. */
const UNWATCHED_STREAM_MAX_MS = 600_000
/** For the rest of a stream that was ended to reach its reader. */
const END_TIMEOUT_MS = 1_000

interface Ends {
  expiresAt: Date
  /** Aborts when the server closes. */
  closing: AbortSignal
  /** Aborts when a newer stream has taken this one's place. */
  replaced: AbortSignal
  disconnected: AbortSignal
  unanswered: UnansweredConnections
}

/**
 * Aborts when the stream that answers this request is over: its reader is gone or takes nothing,
 * its token has expired, a newer stream has its place, or the server closes. A reader that does not
 * even take the end is cut off.
 */
export function whenEnded({ raw, request }: FastifyReply, ends: Ends): AbortSignal {
  const { expiresAt, closing, replaced, disconnected, unanswered } = ends
  const over = new AbortController()
  const end = () => {
    over.abort()
    setTimeout(() => raw.writableFinished || raw.destroy(), END_TIMEOUT_MS).unref()
  }
  const leftMs = expiresAt.getTime() - Date.now()
  const longestMs = unanswered.areKnown ? leftMs : Math.min(leftMs, UNWATCHED_STREAM_MAX_MS)
  const latest = setTimeout(end, longestMs).unref()
  const stopWatching = unanswered.watch(request.socket, () => raw.destroy())
  closing.addEventListener("abort", end)
  replaced.addEventListener("abort", end)
  raw.setTimeout(STALLED_TIMEOUT_MS, () => raw.destroy())
  disconnected.addEventListener("abort", () => {
    over.abort()
    clearTimeout(latest)
    stopWatching()
    closing.removeEventListener("abort", end)
  })
  if (closing.aborted || replaced.aborted || disconnected.aborted) end()
  return over.signal
}
