import type { ServerResponse } from "node:http"
import { buildSimulator } from "./app.ts"

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
  /** Ends it at once: connections are cut, also those that wait for a reply. */
  close(): Promise<void>
}

/** Under whatever path the scoring system is reached. */
const POLLED = /\/api\/orders\/([^/]+)$/

/**
 * Starts a simulator that answers exactly what a test has written, right or wrong; `usual` is the reply
 * about an order without a script, which the simulator otherwise answers itself.
 */
export async function startScriptedScoring(usual?: Reply): Promise<ScriptedScoring> {
  const scripts = new Map<string, Reply[]>()
  const polls = new Map<string, number[]>()
  const traceparents = new Map<string, (string | undefined)[]>()
  const app = buildSimulator({
    script: (request, response) => {
      const number = POLLED.exec(request.url ?? "")?.[1]
      if (number === undefined) return false
      const arrived = [...(polls.get(number) ?? []), performance.now()]
      polls.set(number, arrived)
      const given = request.headers["traceparent"] as string | undefined
      traceparents.set(number, [...(traceparents.get(number) ?? []), given])
      const replies = scripts.get(number) ?? []
      const reply = replies[Math.min(arrived.length, replies.length) - 1] ?? usual
      reply?.(number, response)
      return reply !== undefined
    },
  })
  return {
    url: await app.listen({ host: "127.0.0.1", port: 0 }),
    polls: (number) => polls.get(number) ?? [],
    traceparents: (number) => traceparents.get(number) ?? [],
    script: (number, ...replies) => void scripts.set(number, replies),
    close: () => app.close(),
  }
}

/** No order of this number is known. */
export const unknown: Reply = (_number, response) => response.writeHead(204).end()

/** Any JSON text, with ORDER standing for the number polled. */
export function json(text: string, headers: Record<string, string> = {}): Reply {
  return (number, response) => {
    response.writeHead(200, { "content-type": "application/json", ...headers })
    response.end(text.replace("ORDER", number))
  }
}

/** An order that stands so; `accrual` is JSON text, and left out when undefined. */
export function order(stands: string, accrual?: string): Reply {
  const more = accrual === undefined ? "" : `,"accrual":${accrual}`
  return json(`{"order":"ORDER","status":"${stands}"${more}}`)
}

/** This HTTP status without a body. */
export function status(code: number, headers: Record<string, string> = {}): Reply {
  return (_number, response) => response.writeHead(code, headers).end()
}

/** Lets nobody have the reply before so many have asked for it. */
export function together(asked: number, reply: Reply): Reply {
  const waiting: (() => void)[] = []
  return (number, response) => {
    waiting.push(() => reply(number, response))
    if (waiting.length >= asked) for (const answer of waiting.splice(0)) answer()
  }
}
