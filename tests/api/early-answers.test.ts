import { connect } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { beforeAll, describe, expect, it } from "vitest"
import { joinSharedSystem, type SharedSystem } from "../harness/shared-system.ts"

const PIECES = 20
const PIECE = "1".repeat(1_000)
const PIECE_EVERY_MS = 20

/** Sends a request in pieces, reads nothing before the last one, and gives what was answered. */
async function sendSlowly(url: string, head: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  const closed = new Promise((resolve) => socket.once("close", resolve))
  let failure: Error | undefined
  socket.on("error", (error) => (failure = error))
  socket.pause()
  socket.write(head)
  for (let i = 0; i < PIECES && !socket.destroyed; i++) {
    await sleep(PIECE_EVERY_MS)
    socket.write(PIECE)
  }
  let answer = ""
  socket.on("data", (bytes) => (answer += bytes.toString()))
  socket.resume()
  socket.end()
  await closed
  return failure === undefined ? answer : String(failure)
}

describe("an answer before the whole request has come, the last on its connection", () => {
  let system: SharedSystem
  beforeAll(async () => {
    system = await joinSharedSystem()
  })

  const head = (request: string, ...lines: string[]) =>
    [`${request} HTTP/1.1`, "Host: x", ...lines, "", ""].join("\r\n")
  const [text, close] = ["Content-Type: text/plain", "Connection: close"]
  const json = "Content-Type: application/json"

  it.each([
    [
      "to an upload without a token",
      401,
      head("POST /api/user/orders", text, close, "Content-Length: 100000"),
    ],
    [
      "to an address that is none",
      404,
      head("POST /nothing", text, close, "Content-Length: 100000"),
    ],
    [
      "to a body that is too large",
      413,
      head("POST /api/user/register", json, "Content-Length: 10000000"),
    ],
    ["to headers that are too large", 431, "GET /healthz HTTP/1.1\r\nHost: x\r\nX: "],
  ])("reaches a client that is still sending: %s", async (_what, status, begin) => {
    expect(await sendSlowly(system.apiUrl, begin)).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  })

  it("of the operators' listener as well", async () => {
    const begin = head("PUT /api/queues/accrual/pause", json, close, "Content-Length: 100000")
    expect(await sendSlowly(system.operatorsUrl, begin)).toMatch(/^HTTP\/1.1 403 /)
  })
})
