import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import type { FastifyInstance, FastifyReply } from "fastify"

/** What the header must be; the parser refuses some of what it must not be. */
export const TRANSFER_ENCODING_RULE =
  "The header transfer-encoding must be chunked, sent once, and must not come with content-length."

/** `uri-host [":" port]` of RFC 9110, section 7.2, but for the comma, which is what two look like once joined. */
const HOST = /^(\[[\w.:%~-]+\]|[\w.~!$&'()*+;=%-]*)(:[0-9]*)?$/

export const EXPECT_RULE = "The header expect may be 100-continue, and nothing else."

/**
 * Refuses, as any other refusal, what HTTP itself forbids: Node would answer some of it with nothing
 * that tells a client why, and let the rest pass.
 */
export function refuseBadHttp(
  app: FastifyInstance,
  refuse: (reply: FastifyReply, status: 400 | 417, sentence: string) => FastifyReply,
): void {
  const { server } = app
  // Otherwise Node answers them.
  server.on("checkExpectation", (request, response) => server.emit("request", request, response))
  server.on("checkContinue", (request: IncomingMessage, response) => {
    const isAlone = request.headersDistinct["expect"]?.length === 1
    if (isAlone && !expectsMore(request)) response.writeContinue()
    // Its client may not send the body, and what came next would be taken for it.
    else response.setHeader("connection", "close")
    server.emit("request", request, response)
  })
  app.addHook("onRequest", (request, reply, done) => {
    if (expectsMore(request.raw)) return void refuse(reply, 417, EXPECT_RULE)
    const fault = targetFault(request.raw) ?? hostFault(request.raw) ?? codingFault(request.raw)
    return fault === undefined ? done() : void refuse(reply, 400, fault)
  })
}

/** Refuses CONNECT, which Node takes for the begin of a tunnel and not for a request. */
export function refuseTunnels(
  app: FastifyInstance,
  refuse: (socket: Duplex, sentence: string) => void,
): void {
  app.server.on("connect", (_request, socket) => {
    // Its client may be gone.
    socket.on("error", () => {})
    refuse(socket, "This server opens no tunnels.")
  })
}

function expectsMore({ headers: { expect = "" }, httpVersion }: IncomingMessage): boolean {
  // An expectation in HTTP/1.0 does not count (RFC 9110, section 10.1.1).
  if (httpVersion === "1.0") return false
  return expect.split(",").some((item) => !["", "100-continue"].includes(item.trim().toLowerCase()))
}

/** RFC 9112, section 3.2. The router would take a fragment for a query. */
function targetFault({ url = "" }: IncomingMessage): string | undefined {
  return url.includes("#")
    ? "The request target must have no fragment: send it without #."
    : undefined
}

/** RFC 9112, section 3.2. */
function hostFault({ headers: { host }, httpVersion }: IncomingMessage): string | undefined {
  if (host === undefined) {
    return httpVersion === "1.0" ? undefined : "The header host is missing."
  }
  return HOST.test(host) ? undefined : "The header host must name one host, and may name its port."
}

/** Node takes the chunks apart and nothing else: the body would be what another coding has made of it. */
function codingFault({ headers }: IncomingMessage): string | undefined {
  const coding = headers["transfer-encoding"]
  const isChunked = coding === undefined || coding.trim().toLowerCase() === "chunked"
  return isChunked ? undefined : TRANSFER_ENCODING_RULE
}
