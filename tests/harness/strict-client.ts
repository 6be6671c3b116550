import { type ClientHttp2Session, connect, constants } from "node:http2"
import { Agent, request } from "node:https"
import { text } from "node:stream/consumers"
import { AUTHORITIES } from "./reverse-proxies.ts"

export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: string
}

interface Ask {
  method?: string
  headers?: Record<string, string>
  body?: string
}

/** A client that keeps its connection and repeats nothing that may have been read: every fault is a caller's. */
export interface StrictClient {
  ask(path: string, ask?: Ask): Promise<Answer>
  close(): void
}

/** Over HTTP/1.1 on one connection; `localAddress`: what the other side sees it come from. */
export function overHttp1(url: string, localAddress?: string): StrictClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: AUTHORITIES })
  return {
    ask: (path, { method = "GET", headers, body } = {}) =>
      new Promise((resolve, reject) => {
        const options = { agent, method, headers: { ...headers }, localAddress }
        const asked = request(new URL(path, url), options, (response) => {
          const { statusCode = 0, headers: received } = response
          text(response).then(
            (all) => resolve({ status: statusCode, headers: received, body: all }),
            reject,
          )
        })
        asked.on("error", reject)
        asked.end(body)
      }),
    close: () => agent.destroy(),
  }
}

/**
 * Over HTTP/2 on one connection at a time. What the other side says that it has not looked at, as it ends a
 * connection, is sent on the next one (RFC 9113, section 8.7).
 */
export function overHttp2(url: string): StrictClient {
  let session: ClientHttp2Session | undefined
  const usable = () => {
    if (session !== undefined && !session.closed && !session.destroyed) return session
    const opened = connect(url, { ca: AUTHORITIES })
    opened.on("error", () => {})
    session = opened
    return opened
  }
  return {
    async ask(path, ask) {
      for (;;) {
        try {
          return await askOnce(usable(), path, ask)
        } catch (error) {
          if (!isRefused(error)) throw error
        }
      }
    },
    close: () => session?.destroy(),
  }
}

/** One request on a session of HTTP/2. */
export function askOnce(
  session: ClientHttp2Session,
  path: string,
  { method = "GET", headers, body }: Ask = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":method": method, ":path": path, ...headers })
    stream.on("error", reject)
    stream.on("response", ({ ":status": status = 0, ...received }) => {
      text(stream).then((all) => resolve({ status, headers: received, body: all }), reject)
    })
    stream.on("close", () => {
      const { rstCode } = stream
      const isUnread = rstCode === constants.NGHTTP2_REFUSED_STREAM
      reject(isUnread ? new RefusedStreamError() : new Error(`the stream ended with ${rstCode}`))
    })
    stream.end(body)
  })
}

/** An account's events over HTTP/2, on a connection of their own; it is not opened again. */
export function openEventStream(url: string, authorization: string) {
  const session = connect(url, { ca: AUTHORITIES })
  session.on("error", () => {})
  const stream = session.request({ ":path": "/api/user/events", authorization })
  let received = ""
  stream.on("error", () => {})
  stream.setEncoding("utf8").on("data", (piece: string) => (received += piece))
  return {
    session,
    text: () => received,
    isOpen: () => !stream.closed,
    close: () => session.destroy(),
  }
}

class RefusedStreamError extends Error {
  override name = "RefusedStreamError"
}

/** The connection was ending before the request was sent, or the other side has refused to look at it. */
function isRefused(error: unknown): boolean {
  if (error instanceof RefusedStreamError) return true
  const { code, message } = error as NodeJS.ErrnoException
  return code === "ERR_HTTP2_GOAWAY_SESSION" || message.includes("NGHTTP2_REFUSED_STREAM")
}
