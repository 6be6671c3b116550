import { Agent as HttpAgent } from "node:http"
import { Agent as HttpsAgent } from "node:https"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import got, { type Got } from "got"
import { type Answer, readAnswer } from "./answer.ts"

/** The protocol's answers are under 600 bytes, the order number included. */
const BODY_BYTES_MAX = 16 * 1024

export interface ScoringClient {
  /** Asks about one order. Never rejects: every outcome is an answer. */
  ask(number: OrderNumber): Promise<Answer>
  close(): void
}

/**
 * Opens a client of the scoring system at `url`. A poll that is not answered in full within
 * `timeoutMs` is given up. It keeps up to `connectionsMax` connections open.
 */
export function openScoringClient(
  url: string,
  timeoutMs: number,
  connectionsMax: number,
): ScoringClient {
  const agentOptions = { keepAlive: true, maxSockets: connectionsMax }
  const agent = { http: new HttpAgent(agentOptions), https: new HttpsAgent(agentOptions) }
  const client: Got = got.extend({
    prefixUrl: url,
    agent,
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
    ask: (number) => ask(client, number),
    close() {
      agent.http.destroy()
      agent.https.destroy()
    },
  }
}

async function ask(client: Got, number: OrderNumber): Promise<Answer> {
  const tooLarge = new AbortController()
  try {
    const request = client(`api/orders/${number}`, { signal: tooLarge.signal })
    void request.on("downloadProgress", ({ transferred }) => {
      if (transferred > BODY_BYTES_MAX) tooLarge.abort()
    })
    const { statusCode, headers, body } = await request
    const response = {
      status: statusCode,
      contentType: headers["content-type"],
      contentEncoding: headers["content-encoding"],
      retryAfter: headers["retry-after"],
      body,
    }
    return readAnswer(number, response, new Date())
  } catch (error) {
    if (tooLarge.signal.aborted)
      return { kind: "broken", reason: `the body is over ${BODY_BYTES_MAX} bytes` }
    return { kind: "unavailable", reason: error instanceof Error ? error.message : "no answer" }
  }
}
