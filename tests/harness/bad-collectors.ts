import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type Server as HttpServer,
  type ServerResponse,
} from "node:http"
import { createServer as createHttpsServer } from "node:https"
import { type AddressInfo, createServer, type Server, type Socket } from "node:net"
import { freePort } from "@gofermart/local-stack/ports.ts"
import { CERTIFICATE, PRIVATE_KEY } from "../settings/certificate.ts"
import { atEndOrBefore } from "./at-end.ts"

export interface BadCollector {
  /** Resolves with its URL; it ends with the test. */
  start: () => Promise<string>
  /** What the log says of it. */
  reason: RegExp
  /** Whether spans that were sent to it are known to be lost. */
  isLoss: boolean
}

/** Longer than any complaint. */
const LONG_ANSWER = JSON.stringify({
  partialSuccess: { rejectedSpans: "3", errorMessage: "no ".repeat(100_000) },
})
/** Of a collector that never stops answering. */
const TRICKLE_INTERVAL_MS = 50

/** Collectors that take no traces, each in a way of its own; the names go on from "a collector that". */
export const BAD_COLLECTORS: Record<string, BadCollector> = {
  "is away": {
    start: async () => `http://127.0.0.1:${await freePort()}`,
    reason: /ECONNREFUSED/,
    isLoss: true,
  },
  "takes connections and says nothing": raw(() => {}, /Request timed out/),
  "never comes to an end of its answer": notKnown(http(trickle, /Timeout/)),
  "cuts connections": raw((socket) => socket.resetAndDestroy(), /ECONNRESET|EPIPE|socket hang up/),
  "knows no such token (401)": http(answer(401), /answered 401 Unauthorized/),
  "finds them too large (413)": http(answer(413), /answered 413 Payload Too Large/),
  "wants them an hour later (429)": http(answer(429, { "retry-after": "3600" }), /answered 429/),
  "wants them at once (429)": http(answer(429, { "retry-after": "0" }), /answered 429/),
  "is busy (503)": http(answer(503, { "retry-after": "soon" }), /answered 429, 502, 503 or 504/),
  "answers with a page": notKnown(
    http(answer(200, {}, "<!doctype html><title>Welcome</title>"), /parse|deserialize/),
  ),
  "answers with an essay": notKnown(
    http(answer(200, {}, LONG_ANSWER), /Partial Success|deserialize/),
  ),
  "does not speak HTTP": raw((socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n"), /Parse Error/),
  "sends them elsewhere (302)": http(
    answer(302, { location: "http://127.0.0.1:9/v1/traces" }),
    /answered 302 Found/,
  ),
  "has another's certificate": tls(/self-signed certificate|does not match/),
}

function notKnown(collector: BadCollector): BadCollector {
  return { ...collector, isLoss: false }
}

function trickle(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200)
  const writing = setInterval(() => response.write(" "), TRICKLE_INTERVAL_MS)
  response.once("close", () => clearInterval(writing))
}

function answer(status: number, headers = {}, body = "no"): RequestListener {
  return (request, response) => {
    request.resume()
    request.once("end", () => response.writeHead(status, headers).end(body))
  }
}

function http(listener: RequestListener, reason: RegExp): BadCollector {
  return {
    start: async () => `http://127.0.0.1:${await listen(createHttpServer(listener))}`,
    reason,
    isLoss: true,
  }
}

function raw(onConnection: (socket: Socket) => void, reason: RegExp): BadCollector {
  return {
    async start() {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => {})
        socket.once("data", () => onConnection(socket))
      })
      const port = await listen(server)
      atEndOrBefore(async () => sockets.forEach((socket) => socket.destroy()))
      return `http://127.0.0.1:${port}`
    },
    reason,
    isLoss: true,
  }
}

function tls(reason: RegExp): BadCollector {
  return {
    async start() {
      const server = createHttpsServer({ cert: CERTIFICATE, key: PRIVATE_KEY }, answer(200))
      return `https://127.0.0.1:${await listen(server)}`
    },
    reason,
    isLoss: true,
  }
}

/** Resolves with the port. */
async function listen(server: Server | HttpServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  atEndOrBefore(async () => {
    if ("closeAllConnections" in server) server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}
