import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { buffer } from "node:stream/consumers"
import { setTimeout as sleep } from "node:timers/promises"

/** What a connection to a port says on which nobody listens, or nobody any more. */
const NOT_THERE = ["ECONNREFUSED", "ECONNRESET", "EPIPE"]
/**
 * For how long an idle connection is kept. An API that stops closes the connection after every answer for half a
 * second, then ends the idle ones: a connection that is kept for less has heard it, or is gone.
 */
const IDLE_MS = 100
/** Between rounds of asking all of them. */
const ROUND_DELAY_MS = 100
const ROUNDS_MAX = 100

export interface Balancer {
  url: string
  /** How often an API was not there, by the error, so that the next one was asked. */
  missed: Map<string, number>
  /** How often none of them was there for a request, which then waited. */
  readonly inVain: number
  /** What else went wrong; the client got a 502. */
  failures: string[]
  close(): Promise<void>
}

/**
 * Starts a load balancer before several APIs, which asks them in turn and keeps its connections.
 *
 * It goes on to the next API only when one is not there: a connection that is refused, or a new one
 * that is reset before any byte of an answer. A connection that breaks when it was used before is a
 * failure: an API is to announce its end before it ends.
 */
export async function startBalancer(apiUrls: string[]): Promise<Balancer> {
  const agent = new Agent({ keepAlive: true, timeout: IDLE_MS })
  const missed = new Map<string, number>()
  const failures: string[] = []
  let turn = 0
  let inVain = 0

  const askInTurn = async (asked: IncomingMessage, body: Buffer): Promise<IncomingMessage> => {
    const first = turn++
    for (let attempt = 1; ; attempt++) {
      const apiUrl = apiUrls[(first + attempt) % apiUrls.length] ?? ""
      try {
        return await forward(agent, asked, body, apiUrl)
      } catch (error) {
        if (!(error instanceof NotThereError) || attempt > ROUNDS_MAX * apiUrls.length) throw error
        missed.set(error.message, (missed.get(error.message) ?? 0) + 1)
        if (attempt % apiUrls.length === 0) {
          inVain += 1
          await sleep(ROUND_DELAY_MS)
        }
      }
    }
  }
  const serve = async (asked: IncomingMessage, answer: ServerResponse) => {
    try {
      const answered = await askInTurn(asked, await buffer(asked))
      const { connection: _ownHop, ...headers } = answered.headers
      const body = await buffer(answered)
      answer.writeHead(answered.statusCode ?? 0, headers).end(body)
    } catch (error) {
      failures.push(`${asked.method} ${asked.url}: ${String(error)}`)
      answer.writeHead(502).end()
    }
  }
  const server = createServer((asked, answer) => void serve(asked, answer))
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    missed,
    get inVain() {
      return inVain
    },
    failures,
    async close() {
      server.closeAllConnections()
      agent.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

class NotThereError extends Error {
  override name = "NotThereError"
}

function forward(
  agent: Agent,
  { method, url = "", headers: { connection: _ownHop, ...headers } }: IncomingMessage,
  body: Buffer,
  apiUrl: string,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = request(new URL(url, apiUrl), { agent, method: method ?? "GET", headers }, resolve)
    sent.on("error", (error: NodeJS.ErrnoException) => {
      const code = error.code ?? ""
      const isUnseen = NOT_THERE.includes(code) && !sent.reusedSocket
      reject(isUnseen ? new NotThereError(code) : error)
    })
    sent.end(body)
  })
}
