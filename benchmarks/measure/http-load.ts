import { createHistogram, type RecordableHistogram } from "node:perf_hooks"
import { setTimeout as sleep } from "node:timers/promises"
import { Client, type Dispatcher } from "undici"

export interface HttpRequest {
  method: "GET" | "POST"
  path: string
  headers: Record<string, string>
  body?: string
}

export interface Answered {
  operations: number
  seconds: number
  p50Ms: number
  p99Ms: number
}

const LATENCY_US_MAX = 60_000_000
const ANSWER_TIMEOUT_MS = 30_000

/** A number of kept connections to one server, each with one request under way at a time. */
export class HttpLoad {
  readonly #clients: Client[]

  constructor(url: string, connections: number) {
    const options = { pipelining: 1, headersTimeout: ANSWER_TIMEOUT_MS }
    this.#clients = Array.from({ length: connections }, () => new Client(url, options))
  }

  /**
   * Sends one request after another on each connection for so many seconds. Any status but
   * `expected` fails the benchmark: a refusal is quickly made.
   */
  async run(seconds: number, next: () => HttpRequest, expected: number): Promise<Answered> {
    const ends = performance.now() + seconds * 1_000
    return this.#measure((send) => {
      const lanes = this.#clients.map(async (client) => {
        while (performance.now() < ends) await send(client, performance.now(), next(), expected)
      })
      return Promise.all(lanes)
    })
  }

  /** Sends so many requests, as fast as the connections allow. */
  async runCount(count: number, next: () => HttpRequest, expected: number): Promise<Answered> {
    let left = count
    return this.#measure((send) => {
      const lanes = this.#clients.map(async (client) => {
        while (left-- > 0) await send(client, performance.now(), next(), expected)
      })
      return Promise.all(lanes)
    })
  }

  /**
   * Sends requests at a steady pace, whether or not earlier ones are answered. A latency counts from
   * when the request was due, so that a pause of the server counts for all that it held up.
   */
  async runAt(
    perSecond: number,
    seconds: number,
    next: () => HttpRequest,
    expected: number,
  ): Promise<Answered> {
    const count = Math.round(perSecond * seconds)
    return this.#measure(async (send) => {
      const begun = performance.now()
      const free = [...this.#clients]
      const waiting: ((client: Client) => void)[] = []
      const take = () =>
        new Promise<Client>((resolve) => {
          const client = free.pop()
          if (client === undefined) waiting.push(resolve)
          else resolve(client)
        })
      const give = (client: Client) => {
        const first = waiting.shift()
        if (first === undefined) free.push(client)
        else first(client)
      }
      const sendDue = async (due: number) => {
        const client = await take()
        await send(client, due, next(), expected)
        give(client)
      }
      const sent: Promise<void>[] = []
      for (let i = 0; i < count; i++) {
        const due = begun + (i * 1_000) / perSecond
        const early = due - performance.now()
        if (early > 1) await sleep(early)
        sent.push(sendDue(due))
      }
      await Promise.all(sent)
    })
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()))
  }

  async #measure(run: (send: Send) => Promise<unknown>): Promise<Answered> {
    const latencies = createHistogram({ highest: LATENCY_US_MAX })
    const begun = performance.now()
    await run((client, due, request, expected) => {
      return answered(client, request, expected).then(() => record(latencies, due))
    })
    return {
      operations: latencies.count,
      seconds: (performance.now() - begun) / 1_000,
      p50Ms: latencies.percentile(50) / 1_000,
      p99Ms: latencies.percentile(99) / 1_000,
    }
  }
}

type Send = (client: Client, due: number, request: HttpRequest, expected: number) => Promise<void>

function record(latencies: RecordableHistogram, due: number): void {
  const us = Math.round((performance.now() - due) * 1_000)
  latencies.record(Math.min(Math.max(us, 1), LATENCY_US_MAX))
}

/** Leaner than `client.request`, which makes a stream of every body. */
function answered(client: Client, request: HttpRequest, expected: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let status = 0
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart() {},
      onResponseStart(_controller, statusCode) {
        status = statusCode
      },
      onResponseData() {},
      onResponseEnd() {
        if (status === expected) resolve()
        else reject(new Error(`${request.method} ${request.path} was answered with ${status}`))
      },
      onResponseError(_controller, error) {
        reject(error)
      },
    }
    client.dispatch(request, handler)
  })
}
