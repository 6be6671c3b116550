import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { announceReady } from "@gofermart/shared/runtime/shutdown.ts"

/**
 * Every order earns 1 point, after DELAY_MS. No simulator: what that costs would be measured as well, so
 * this costs as little as a scoring system can.
 */
const delayMs = Number(process.env["DELAY_MS"])
const KEEP_ALIVE_TIMEOUT_MS = 600_000
const headers = { "content-type": "application/json" }

const server = createServer((request, response) => {
  const number = request.url?.slice("/api/orders/".length) ?? ""
  const answer = () => {
    const body = `{"order":"${number}","status":"PROCESSED","accrual":1}`
    response.writeHead(200, { ...headers, "content-length": body.length })
    response.end(body)
  }
  if (delayMs > 0) setTimeout(answer, delayMs)
  else answer()
})
// Closed between two runs, a connection could be closed just when a poll is on its way.
server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo
  announceReady({ url: `http://127.0.0.1:${port}` })
})
process.once("disconnect", () => process.exit())
