import { setTimeout as sleep } from "node:timers/promises"
import type { Customer } from "@gofermart/local-stack/customer.ts"
import { newNumber } from "../harness/numbers.ts"
import { overHttp1, overHttp2 } from "../harness/strict-client.ts"

/** Of each protocol. */
const LANES = 4
/** Between the requests of one lane. */
const REST_MS = 5

/** What came of all requests: how often there was which answer or error, such as `h2 POST 202`. */
export interface Outcome {
  answers: Map<string, number>
  /** The orders that were answered with 202. */
  accepted: string[]
}

/**
 * Uploads and reads over HTTP/1.1 and HTTP/2 until `stop` is called. Nothing is sent again: an order that a proxy
 * sends twice is answered with 200, and one that it loses with an error.
 */
export function startLanes(url: string, customer: Customer): { stop(): Promise<Outcome> } {
  const outcome: Outcome = { answers: new Map(), accepted: [] }
  const headers = { authorization: customer.authorization, "content-type": "text/plain" }
  const stopping = new AbortController()
  const run = async (name: string, client: ReturnType<typeof overHttp1>) => {
    for (let i = 0; !stopping.signal.aborted; i++) {
      const method = i % 2 === 0 ? "POST" : "GET"
      const number = newNumber()
      const answered =
        method === "POST"
          ? client.ask("/api/user/orders", { method, headers, body: number })
          : client.ask("/api/user/balance", { headers })
      const result = await answered.then(
        ({ status }) => status,
        (error: NodeJS.ErrnoException) => error.code ?? error.message,
      )
      if (result === 202) outcome.accepted.push(number)
      const answer = `${name} ${method} ${result}`
      outcome.answers.set(answer, (outcome.answers.get(answer) ?? 0) + 1)
      await sleep(REST_MS)
    }
    client.close()
  }
  const lanes = Array.from({ length: LANES }, () => [
    run("h1", overHttp1(url)),
    run("h2", overHttp2(url)),
  ])
  return {
    async stop() {
      stopping.abort()
      await Promise.all(lanes.flat())
      return outcome
    },
  }
}

/** What is answered where nothing is lost. */
export const ALL_SERVED = ["h1 GET 200", "h1 POST 202", "h2 GET 200", "h2 POST 202"]
