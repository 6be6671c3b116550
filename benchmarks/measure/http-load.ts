import { createHistogram, type RecordableHistogram } from "node:perf_hooks"
import { setTimeout as sleep } from "node:timers/promises"
import { type Dispatcher, Pool } from "undici"

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
  readonly #pool: Pool
  readonly #connections: number

  constructor(url: string, connections: number) {
    this.#pool = new Pool(url, {
      connections,
      pipelining: 1,
      headersTimeout: ANSWER_TIMEOUT_MS,
      bodyTimeout: ANSWER_TIMEOUT_MS,
    })
    this.#connections = connections
  }

  /**
   * Sends one request after another on each connection for so many seconds. Any status but
   * `expected` fails the benchmark: a refusal is quickly made.
   */
  run(seconds: number, next: () => HttpRequest, expected: number): Promise<Answered> {
    const ends = performance.now() + seconds * 1_000
    return this.#runWhile(() => performance.now() < ends, next, expected)
  }

  /** Sends so many requests, as fast as the connections allow. */
  runCount(count: number, next: () => HttpRequest, expected: number): Promise<Answered> {
    let left = count
    return this.#runWhile(() => left-- > 0, next, expected)
  }

  /**
   * Sends requests at a steady pace, whether or not earlier ones are answered. A latency counts from
   * when the request was due, so that a pause of the server counts for all that it held up.
   */
  runAt(
    perSecond: number,
    seconds: number,
    next: () => HttpRequest,
    expected: number,
  ): Promise<Answered> {
    const count = Math.round(perSecond * seconds)
    return this.#measure(async (send) => {
      const begun = performance.now()
      const sent: Promise<void>[] = []
      const failed = new AbortController()
      for (let i = 0; i < count && !failed.signal.aborted; i++) {
        const due = begun + (i * 1_000) / perSecond
        const early = due - performance.now()
        if (early > 1) await sleep(early)
        const sending = send(due, next(), expected)
        sending.catch(() => failed.abort())
        sent.push(sending)
      }
      await Promise.all(sent)
    })
  }

  /** What is under way after a failure is not waited for. */
  async close(): Promise<void> {
    await this.#pool.destroy()
  }

  #runWhile(isOn: () => boolean, next: () => HttpRequest, expected: number): Promise<Answered> {
    return this.#measure((send) => {
      const lane = async () => {
        while (isOn()) await send(performance.now(), next(), expected)
      }
      return Promise.all(Array.from({ length: this.#connections }, lane))
    })
  }

  async #measure(run: (send: Send) => Promise<unknown>): Promise<Answered> {
    const latencies = createHistogram({ highest: LATENCY_US_MAX })
    const begun = performance.now()
    await run((due, request, expected) =>
      answered(this.#pool, request, expected).then(() => record(latencies, due)),
    )
    return {
      operations: latencies.count,
      seconds: (performance.now() - begun) / 1_000,
      p50Ms: latencies.percentile(50) / 1_000,
      p99Ms: latencies.percentile(99) / 1_000,
    }
  }
}

type Send = (due: number, request: HttpRequest, expected: number) => Promise<void>

function record(latencies: RecordableHistogram, due: number): void {
  const us = Math.round((performance.now() - due) * 1_000)
  latencies.record(Math.min(Math.max(us, 1), LATENCY_US_MAX))
}

/** Leaner than `pool.request`, which makes a stream of every body. */
function answered(pool: Pool, request: HttpRequest, expected: number): Promise<void> {
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
    pool.dispatch(request, handler)
  })
}
