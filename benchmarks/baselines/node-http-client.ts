import http from "node:http"
import { type Answer, readAnswer } from "@gofermart/scoring-client/answer.ts"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"

/** In the place of the scoring client: `node:http` alone, with a kept connection and a deadline. */
export function openScoringClient(url: string, timeoutMs: number, connectionsMax: number) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connectionsMax })
  const headers = { accept: "application/json" }
  return {
    poll(number: OrderNumber): Promise<Answer> {
      return new Promise((resolve) => {
        const options = { agent, headers }
        const request = http.get(`${url}/api/orders/${number}`, options, (response) => {
          let body = ""
          response.setEncoding("utf8")
          response.on("data", (chunk: string) => {
            body += chunk
          })
          response.once("end", () => {
            clearTimeout(deadline)
            const read = {
              status: response.statusCode ?? 0,
              contentType: response.headers["content-type"],
              contentEncoding: response.headers["content-encoding"],
              retryAfter: response.headers["retry-after"],
              body,
            }
            resolve(readAnswer(number, read, new Date()))
          })
        })
        const deadline = setTimeout(() => request.destroy(), timeoutMs)
        request.once("error", ({ message }) => resolve({ kind: "unavailable", reason: message }))
      })
    },
    close: () => agent.destroy(),
  }
}
