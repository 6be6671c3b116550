import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"

const lastOn = new WeakMap<Duplex, { request: IncomingMessage; response: ServerResponse }>()

/** How long, and how much, is still read of a request whose answer is the last on its connection. */
const LINGER_MS = 2_000
const LINGER_BYTES_MAX = 1_048_576

/**
 * Remembers the last request of each connection, for `answerLast` and `lingerWhenClosing`; those with
 * an `Expect` that Node does not know, too, which it then leaves to the caller's own listener of
 * `checkExpectation`.
 */
export function rememberRequests(server: Server): void {
  const remember = (request: IncomingMessage, response: ServerResponse) =>
    void lastOn.set(request.socket, { request, response })
  server.on("request", remember)
  server.on("checkExpectation", remember)
}

/**
 * Has a server read on for a while where its last answer comes before the whole request, such as a
 * refusal by the headers (RFC 9112, section 9.6). A connection that is closed while its client sends is
 * reset, and a client whose sending fails reads no answer.
 */
export function lingerWhenClosing(server: Server): void {
  server.on("connection", (socket) => {
    const destroySoon = socket.destroySoon.bind(socket)
    // What Node calls behind a last answer.
    socket.destroySoon = () => {
      const request = lastOn.get(socket)?.request
      if (request === undefined || request.complete) return destroySoon()
      socket.end()
      const limit = setTimeout(() => socket.destroy(), LINGER_MS)
      const bytesMax = socket.bytesRead + LINGER_BYTES_MAX
      socket.on("data", () => {
        if (socket.bytesRead > bytesMax) socket.destroy()
      })
      socket.once("close", () => clearTimeout(limit))
    }
  })
}

/**
 * Listens to what Node's parser refuses. `refuse` answers it, by the error's code, such as
 * `HPE_HEADER_OVERFLOW`; one whose client is gone is only closed.
 */
export function refuseNoHttp(
  refuse: (socket: Socket, code: string) => void,
): (error: { code?: string }, socket: Socket) => void {
  return ({ code = "" }, socket) => {
    if (code === "ECONNRESET" || !socket.writable) socket.destroy()
    else refuse(socket, code)
  }
}

/** An answer that no request was read for. */
interface LastAnswer {
  status: number
  type: string
  body: string
  headers?: Record<string, string>
}

/**
 * Ends a connection with an answer to what came on it and is no HTTP. It goes behind the answers to
 * the requests before. A request that was answered before the rest of it turned out to be broken
 * gets no second answer: its client would take that for the one to its next request.
 */
export function answerLast(socket: Duplex, answer: LastAnswer): void {
  const text = write(answer)
  const last = lastOn.get(socket)
  if (last === undefined) {
    socket.end(text)
    return
  }
  const { request, response } = last
  if (!request.complete && response.headersSent) socket.end()
  else if (!request.complete || response.writableFinished) socket.end(text)
  else response.once("finish", () => socket.end(text))
}

function write({ status, type, body, headers = {} }: LastAnswer): string {
  const fields = Object.entries({
    Connection: "close",
    Date: new Date().toUTCString(),
    ...headers,
    "Content-Type": type,
    "Content-Length": Buffer.byteLength(body),
  })
  const lines = fields.map((field) => `${field.join(": ")}\r\n`)
  return `HTTP/1.1 ${status} Refused\r\n${lines.join("")}\r\n${body}`
}
