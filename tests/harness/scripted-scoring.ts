import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

/** Answers one poll about this order number. */
export type Reply = (number: string, response: ServerResponse) => void

export interface ScriptedScoring {
  url: string
  /** When each poll about the order arrived, in milliseconds of this process's clock. */
  polls(number: string): number[]
  /** The `traceparent` of each poll about the order. */
  traceparents(number: string): (string | undefined)[]
  /** The replies to the polls about an order, in turn; the last one stays. */
  script(number: string, ...replies: Reply[]): void
  close(): Promise<void>
}

/** Starts a scoring system that answers exactly what a test has written, right or wrong. */
export async function startScriptedScoring(): Promise<ScriptedScoring> {
  const scripts = new Map<string, Reply[]>()
  const polls = new Map<string, number[]>()
  const traceparents = new Map<string, (string | undefined)[]>()
  const server = createServer((request, response) => {
    const number = request.url?.split("/").at(-1) ?? ""
    const arrived = [...(polls.get(number) ?? []), performance.now()]
    polls.set(number, arrived)
    const given = request.headers["traceparent"] as string | undefined
    traceparents.set(number, [...(traceparents.get(number) ?? []), given])
    const replies = scripts.get(number) ?? [unknown]
    const reply = replies[Math.min(arrived.length, replies.length) - 1]
    reply?.(number, response)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    polls: (number) => polls.get(number) ?? [],
    traceparents: (number) => traceparents.get(number) ?? [],
    script: (number, ...replies) => void scripts.set(number, replies),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export const unknown: Reply = (_number, response) => response.writeHead(204).end()

/** Any JSON text, with ORDER standing for the number asked about. */
export function json(text: string, headers: Record<string, string> = {}): Reply {
  return (number, response) => {
    response.writeHead(200, { "content-type": "application/json", ...headers })
    response.end(text.replace("ORDER", number))
  }
}

export function order(stands: string, accrual?: string): Reply {
  const more = accrual === undefined ? "" : `,"accrual":${accrual}`
  return json(`{"order":"ORDER","status":"${stands}"${more}}`)
}

export function status(code: number, headers: Record<string, string> = {}): Reply {
  return (_number, response) => response.writeHead(code, headers).end()
}
