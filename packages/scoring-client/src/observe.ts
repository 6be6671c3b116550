import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from "node:http"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { type Answer, readAnswer, type ScoringResponse, type UnreadBody } from "./answer.ts"
import { openConnections, ordersUrl, readFailure, readResponse, receive } from "./client.ts"

/** A poll as it looks from outside: what came, and what `poll` makes of it. */
export interface Observation {
  answer: Answer
  /** Absent when no response came in full. */
  received?: Received
}

export interface Received {
  response: ScoringResponse
  headers: IncomingHttpHeaders
  /** Whether an earlier response came over the same connection. */
  isConnectionKept: boolean
}

export interface ScoringObserver {
  /** Polls one order, as a worker does. Never rejects. */
  observe(number: OrderNumber): Promise<Observation>
  close(): void
}

/** Opens an observer of the scoring system at `url`, which has one connection at a time. */
export function openScoringObserver(url: string, timeoutMs: number): ScoringObserver {
  const connections = openConnections(timeoutMs, 1)
  const orders = ordersUrl(url)
  return {
    async observe(number) {
      try {
        const received = await receive(connections.client, `${orders}${number}`, undefined, read)
        const answer = readAnswer(number, received.response, new Date())
        return received.response.unread === undefined ? { answer, received } : { answer }
      } catch (error) {
        return { answer: readFailure(error) }
      }
    },
    close: () => connections.close(),
  }
}

/** Node sets it on a client's response, and its types do not say so. */
type WithRequest = IncomingMessage & { req?: ClientRequest }

function read(message: WithRequest | undefined, body: string, unread?: UnreadBody): Received {
  return {
    response: readResponse(message, body, unread),
    headers: message?.headers ?? {},
    isConnectionKept: message?.req?.reusedSocket ?? false,
  }
}
