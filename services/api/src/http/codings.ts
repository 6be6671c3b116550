import type { FastifyInstance, FastifyRequest, onSendHookHandler } from "fastify"
import Negotiator from "negotiator"
import { readAccepted } from "./header-list.ts"

/** Of answers, the best first. */
const CODINGS = ["zstd", "br", "gzip", "deflate"]

/**
 * Reads what requests say of codings as RFC 9110 has it, and leaves it in the form that
 * `@fastify/compress` understands: that takes a body's coding in lower case only, and `*` in
 * `Accept-Encoding` for gzip, also where gzip is excluded.
 */
export function readCodings(app: FastifyInstance): void {
  app.addHook("onRequest", (request, reply, done) => {
    const { headers } = request.raw
    const sent = headers["content-encoding"]
    if (sent !== undefined) headers["content-encoding"] = nameOf(sent.trim())
    // Also of an answer that is too short to be compressed: the next one may be longer.
    reply.header("vary", "accept-encoding")
    done()
  })
  // The plugin's own hooks, which are the routes', come after it.
  app.addHook("onSend", (request, _reply, _payload, done) => {
    request.raw.headers["accept-encoding"] = codingFor(request, CODINGS)
    done()
  })
}

/** What its types leave out. */
interface Preferring {
  encoding(available: string[], options: { preferred: string[] }): string | undefined
}

/** The coding, of those that there are, the best first, in which a request wants its answer. */
export function codingFor({ raw }: FastifyRequest, codings: string[]): string {
  const accepted = readAccepted(raw.headers["accept-encoding"])
  if (accepted === undefined) return "identity"
  const asked: Preferring = new Negotiator({ headers: { "accept-encoding": nameOf(accepted) } })
  return asked.encoding([...codings, "identity"], { preferred: codings }) ?? "identity"
}

/** Case does not count, and `x-gzip` is gzip (RFC 9110, sections 8.4.1 and 8.4.1.3). */
function nameOf(codings: string): string {
  return codings.toLowerCase().replaceAll("x-gzip", "gzip")
}

/**
 * Makes the length in the answer to a HEAD that of what a GET would send (RFC 9110, section 8.6), for
 * routes that are registered afterwards: the framework measures before the content is compressed, and
 * finds a length of 0 where there is no content to be measured.
 */
export function measureWhatIsSent(app: FastifyInstance): void {
  app.addHook("onRoute", (route) => {
    if (route.method !== "HEAD" || !Array.isArray(route.onSend)) return
    const [measure, ...others] = route.onSend
    if (measure !== undefined) route.onSend = [...others, measure, forgetNoLength]
  })
}

const forgetNoLength: onSendHookHandler = (_request, reply, _payload, done) => {
  if (reply.statusCode === 204) reply.removeHeader("content-length")
  done()
}
