import http, { type IncomingMessage } from "node:http"
import https from "node:https"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import got, { type Got, type RequestFunction } from "got"
import {
  type Answer,
  readAnswer,
  type ScoringResponse,
  tellsByStatus,
  type UnreadBody,
} from "./answer.ts"

/** The protocol's answers are under 600 bytes, the order number included. */
const BODY_BYTES_MAX = 16 * 1024
const CLOSED: Answer = { kind: "unavailable", reason: "the client is closed" }
/** For its body, which adds little to what its headers say, a refusal or a failure is waited for so long. */
const REFUSAL_BODY_MS = 1_000

export interface ScoringClient {
  /** Polls one order. Never rejects: every outcome is an answer. */
  poll(number: OrderNumber, headers?: Record<string, string>): Promise<Answer>
  /** Ends the calls under way too: their answer and any later one's is that nobody is there. */
  close(): void
  readonly isClosed: boolean
}

/**
 * Opens a client of the scoring system at `url`. A poll that is not answered in full within
 * `timeoutMs` is given up. It keeps up to `connectionsMax` connections open.
 *
 * Polling is most of what a worker does. The stream interface, an absolute URL, no options of a
 * single call and a request function of our own make it cost two thirds (docs/PERFORMANCE.md).
 */
export function openScoringClient(
  url: string,
  timeoutMs: number,
  connectionsMax: number,
): ScoringClient {
  const { client, ...connections } = openConnections(timeoutMs, connectionsMax)
  const orders = ordersUrl(url)
  let isClosed = false
  return {
    poll: async (number, headers) =>
      isClosed ? CLOSED : poll(client, `${orders}${number}`, number, headers),
    close() {
      isClosed = true
      connections.close()
    },
    get isClosed() {
      return isClosed
    },
  }
}

/** Where orders are polled, up to the number. */
export function ordersUrl(url: string): string {
  return `${url.replace(/\/$/, "")}/api/orders/`
}

/** What every poll is made with; `close` ends its connections. */
export function openConnections(
  timeoutMs: number,
  connectionsMax: number,
): { client: Got; close(): void } {
  const agentOptions = { keepAlive: true, maxSockets: connectionsMax }
  const agent = { http: new http.Agent(agentOptions), https: new https.Agent(agentOptions) }
  const client = got.extend({
    agent,
    request: requestLeanly,
    // Polls are repeated by the queue, at its pace, and never at another address.
    retry: { limit: 0 },
    followRedirect: false,
    throwHttpErrors: false,
    timeout: { request: timeoutMs },
    // Without decompression a small body cannot become a large one.
    decompress: false,
    headers: { accept: "application/json", "user-agent": "gofermart-accrual-worker" },
  })
  return {
    client,
    close() {
      agent.http.destroy()
      agent.https.destroy()
    },
  }
}

/** Got hands over some fifty options, which Node would copy twice for each request. */
const requestLeanly: RequestFunction = (url, { method, headers, agent }, callback) => {
  const options = { method, headers, agent } as http.RequestOptions
  return url.protocol === "https:"
    ? https.request(url, options, callback)
    : http.request(url, options, callback)
}

async function poll(
  client: Got,
  url: string,
  number: OrderNumber,
  headers: Record<string, string> | undefined,
): Promise<Answer> {
  try {
    return readAnswer(number, await receive(client, url, headers, readResponse), new Date())
  } catch (error) {
    return readFailure(error)
  }
}

/** What `receive` rejecting with this means. */
export function readFailure(error: unknown): Answer {
  return { kind: "unavailable", reason: error instanceof Error ? error.message : "no answer" }
}

/** What of a received response makes the answer. */
export function readResponse(
  message: IncomingMessage | undefined,
  body: string,
  unread?: UnreadBody,
): ScoringResponse {
  return {
    status: message?.statusCode ?? 0,
    contentType: message?.headers["content-type"],
    contentEncoding: message?.headers["content-encoding"],
    retryAfter: message?.headers["retry-after"],
    body,
    ...(unread === undefined ? {} : { unread }),
  }
}

/**
 * Rejects when no response comes. One whose body does not come in full, or is too large, is read without
 * it: its status and headers say what they say.
 */
export function receive<T>(
  client: Got,
  url: string,
  headers: Record<string, string> | undefined,
  read: (message: IncomingMessage | undefined, body: string, unread?: UnreadBody) => T,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = headers === undefined ? client.stream(url) : client.stream(url, { headers })
    const chunks: Buffer[] = []
    let bytes = 0
    let response: IncomingMessage | undefined
    let bodyTimer: NodeJS.Timeout | undefined
    const giveUp = (unread: UnreadBody) => {
      clearTimeout(bodyTimer)
      request.destroy()
      resolve(read(response, "", unread))
    }
    request.once("response", (received: IncomingMessage) => {
      response = received
      if (!tellsByStatus(received.statusCode ?? 0)) return
      const unread = { kind: "unavailable", reason: "the body does not end" } as const
      bodyTimer = setTimeout(giveUp, REFUSAL_BODY_MS, unread)
    })
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= BODY_BYTES_MAX) return void chunks.push(chunk)
      giveUp({ kind: "broken", reason: `the body is over ${BODY_BYTES_MAX} bytes` })
    })
    request.once("end", () => {
      clearTimeout(bodyTimer)
      resolve(read(response, Buffer.concat(chunks).toString()))
    })
    request.on("error", (error: Error) => {
      if (response === undefined) reject(error)
      else giveUp({ kind: "unavailable", reason: error.message })
    })
  })
}
