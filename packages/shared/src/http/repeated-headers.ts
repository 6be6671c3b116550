import type { IncomingMessage } from "node:http"
import type { FastifyInstance, FastifyReply } from "fastify"

/**
 * Headers that we or a library of ours read, and that hold one value. Of two lines Node joins some
 * and drops others, so each reader would take something else for the value.
 */
export const SINGLE_HEADERS: ReadonlySet<string> = new Set([
  "authorization",
  "content-encoding",
  "content-length",
  "content-type",
  // A list, of which there is but one member.
  "expect",
  "host",
  "idempotency-key",
  "if-modified-since",
  "if-range",
  "if-unmodified-since",
  "last-event-id",
  "origin",
  "range",
  "sec-fetch-site",
  "transfer-encoding",
])

/** Headers that are read and may come on several lines. */
export const REPEATABLE_HEADERS: ReadonlySet<string> = new Set([
  // Lists: several lines are one list (RFC 9110, section 5.3).
  "accept",
  "accept-encoding",
  "connection",
  "if-match",
  "if-none-match",
  // The first preference counts (RFC 7240, section 2), and none changes a status.
  "prefer",
  // HTTP/2 splits it (RFC 9113, section 8.2.3). A cookie of ours that comes twice is refused as such.
  "cookie",
  // Each proxy adds its own.
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  // Two are none: the request gets an id, or a trace, of its own.
  "x-request-id",
  "traceparent",
  "tracestate",
])

/** The name, in lower case, of a single header that this request has twice; undefined without one. */
function repeatedHeader({
  headers,
  rawHeaders,
}: Pick<IncomingMessage, "headers" | "rawHeaders">): string | undefined {
  // As many names as lines: nothing was repeated. It is all that most requests pay for.
  if (Object.keys(headers).length * 2 === rawHeaders.length) return undefined
  const seen = new Set<string>()
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? "").toLowerCase()
    if (!SINGLE_HEADERS.has(name)) continue
    if (seen.has(name)) return name
    seen.add(name)
  }
  return undefined
}

/**
 * Makes a server refuse every request that has a single header twice, with equal values or with
 * different ones: `refuse` answers with 400 and the sentence.
 */
export function refuseRepeatedHeaders(
  app: FastifyInstance,
  refuse: (reply: FastifyReply, sentence: string) => FastifyReply,
): void {
  // Node would drop the headers after the 2,000th, unseen. Their size in bytes is limited as before.
  app.server.maxHeadersCount = 0
  app.addHook("onRequest", (request, reply, done) => {
    const name = repeatedHeader(request.raw)
    if (name === undefined) done()
    else refuse(reply, `The header ${name} may be sent once, and was sent more often.`)
  })
}
