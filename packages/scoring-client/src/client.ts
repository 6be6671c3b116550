import http, { type IncomingMessage } from "node:http"
import https from "node:https"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import got, { type Got, type RequestFunction } from "got"
import { type Answer, readAnswer, type ScoringResponse } from "./answer.ts"

/** The protocol's answers are under 600 bytes, the order number included. */
const BODY_BYTES_MAX = 16 * 1024

export interface ScoringClient {
  /** Asks about one order. Never rejects: every outcome is an answer. */
  ask(number: OrderNumber, headers?: Record<string, string>): Promise<Answer>
  close(): void
}

/**
 * Opens a client of the scoring system at `url`. A poll that is not answered in full within
 * `timeoutMs` is given up. It keeps up to `connectionsMax` connections open.
 *
 * Asking is most of what a worker does. The stream interface, an absolute URL, no options of a
 * single call and a request function of our own make it cost two thirds (docs/performance.md).
 */
export function openScoringClient(
  url: string,
  timeoutMs: number,
  connectionsMax: number,
): ScoringClient {
  const { client, ...connections } = openConnections(timeoutMs, connectionsMax)
  const orders = ordersUrl(url)
  return {
    ask: (number, headers) => ask(client, `${orders}${number}`, number, headers),
    close: () => connections.close(),
  }
}

/** Where orders are asked about, up to the number. */
export function ordersUrl(url: string): string {
  return `${url.replace(/\/$/, "")}/api/orders/`
}

/** What every question is asked with; `close` ends its connections. */
export function openConnections(
  timeoutMs: number,
  connectionsMax: number,
): { client: Got; close(): void } {
  const agentOptions = { keepAlive: true, maxSockets: connectionsMax }
  const agent = { http: new http.Agent(agentOptions), https: new https.Agent(agentOptions) }
  const client = got.extend({
    agent,
    request: requestLeanly,
    // Polls are repeated by the queue, at its pace, and never elsewhere than asked.
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

class BodyTooLargeError extends Error {}

async function ask(
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
  const reason = error instanceof Error ? error.message : "no answer"
  return { kind: error instanceof BodyTooLargeError ? "broken" : "unavailable", reason }
}

/** What of a received response makes the answer. */
export function readResponse(message: IncomingMessage | undefined, body: string): ScoringResponse {
  return {
    status: message?.statusCode ?? 0,
    contentType: message?.headers["content-type"],
    contentEncoding: message?.headers["content-encoding"],
    retryAfter: message?.headers["retry-after"],
    body,
  }
}

/** Rejects when the answer does not come in full, or is too large. */
export function receive<T>(
  client: Got,
  url: string,
  headers: Record<string, string> | undefined,
  read: (message: IncomingMessage | undefined, body: string) => T,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = headers === undefined ? client.stream(url) : client.stream(url, { headers })
    const chunks: Buffer[] = []
    let bytes = 0
    let response: IncomingMessage | undefined
    request.once("response", (received: IncomingMessage) => {
      response = received
    })
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= BODY_BYTES_MAX) return void chunks.push(chunk)
      request.destroy()
      reject(new BodyTooLargeError(`the body is over ${BODY_BYTES_MAX} bytes`))
    })
    request.once("end", () => {
      resolve(read(response, Buffer.concat(chunks).toString()))
    })
    request.on("error", reject)
  })
}
