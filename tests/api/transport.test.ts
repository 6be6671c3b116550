import { connect } from "node:net"
import { gunzipSync, gzipSync } from "node:zlib"
import { request } from "node:http"
import type { Customer } from "@gofermart/local-stack/customer.ts"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { newNumber } from "../harness/numbers.ts"
import { expectProblem } from "../harness/problem.ts"
import { startSystem, type System } from "../harness/system.ts"

describe("the HTTP server", () => {
  let system: System
  let anna: Customer
  beforeAll(async () => {
    system = await startSystem({ backend: "postgresql", workers: 0 })
    anna = await system.register()
  })
  afterAll(() => system.close())

  const registerWith = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string>) =>
    fetch(`${system.apiUrl}/api/user/register`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
    })
  /** Sends bytes as they are and gives what comes back until the server closes. */
  const sendRaw = (bytes: string) =>
    new Promise<string>((resolve, reject) => {
      const { hostname, port } = new URL(system.apiUrl)
      const socket = connect(Number(port), hostname, () => socket.write(bytes))
      let answer = ""
      socket.on("data", (data) => (answer += data.toString()))
      socket.on("close", () => resolve(answer))
      socket.on("error", reject)
    })

  it.each(["gzip", "br", "deflate"])(
    "compresses a long answer with %s when asked",
    async (coding) => {
      for (let i = 0; i < 30; i++) await anna.upload(newNumber())
      const response = await fetchRaw(`${system.apiUrl}/api/user/orders`, anna, coding)
      expect(response.headers["content-encoding"]).toBe(coding)
      if (coding === "gzip") {
        const orders = JSON.parse(gunzipSync(response.body).toString()) as unknown[]
        expect(orders.length).toBeGreaterThanOrEqual(30)
      }
    },
  )

  it("does not compress when not asked", async () => {
    const response = await fetchRaw(`${system.apiUrl}/api/user/orders`, anna, "identity")
    expect(response.headers["content-encoding"]).toBeUndefined()
  })

  it("understands a compressed body", async () => {
    const body = gzipSync(JSON.stringify({ login: newNumber(), password: "a good password" }))
    const response = await registerWith(body, { "content-encoding": "gzip" })
    expect(response.status).toBe(200)
  })

  it("answers 413 to a small body that expands to a large one", async () => {
    const body = gzipSync(Buffer.alloc(20_000_000, " "))
    const response = await registerWith(body, { "content-encoding": "gzip" })
    await expectProblem(response, 413, "body_too_large")
  })

  it("answers 400 to a body that is not in the encoding it claims", async () => {
    const response = await registerWith("not gzip", { "content-encoding": "gzip" })
    await expectProblem(response, 400, "malformed_request")
  })

  it("answers 400 to an unknown encoding", async () => {
    const response = await registerWith("{}", { "content-encoding": "rot13" })
    await expectProblem(response, 400, "malformed_request")
  })

  it("answers 404 to an unknown path and 405 to a method that it does not take", async () => {
    await expectProblem(await fetch(`${system.apiUrl}/nothing`), 404, "not_found")
    const response = await fetch(`${system.apiUrl}/api/user/balance`, { method: "DELETE" })
    expect(response.headers.get("allow")).toBe("GET, HEAD")
    await expectProblem(response, 405, "method_not_allowed")
  })

  it("answers 400 to a bad percent-encoding", async () => {
    await expectProblem(await fetch(`${system.apiUrl}/%zz`), 400, "malformed_request")
  })

  it("keeps a caller's request id when it is harmless, and makes one otherwise", async () => {
    const idFor = async (id: string) => {
      const headers = { "x-request-id": id }
      return (await fetch(`${system.apiUrl}/healthz`, { headers })).headers.get("x-request-id")
    }
    expect(await idFor("shop-1.2_3")).toBe("shop-1.2_3")
    expect(await idFor('"quoted"')).toMatch(/^[0-9a-f-]{36}$/)
    expect(await idFor("x".repeat(65))).toMatch(/^[0-9a-f-]{36}$/)
  })

  it("answers what is not HTTP with a problem and closes", async () => {
    const answer = await sendRaw("this is not HTTP\r\n\r\n")
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer).toContain("application/problem+json")
  })

  it("refuses a length and chunks in one request", async () => {
    const answer = await sendRaw(
      "POST /api/user/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n" +
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    )
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
  })

  it("says that it is alive and ready", async () => {
    const alive = await fetch(`${system.apiUrl}/healthz`)
    expect([alive.status, await alive.json()]).toEqual([200, { status: "alive" }])
    const ready = await fetch(`${system.apiUrl}/readyz`)
    expect([ready.status, await ready.json()]).toEqual([200, { database: "ok", queue: "ok" }])
  })
})

function fetchRaw(url: string, customer: Customer, coding: string) {
  return new Promise<{ headers: NodeJS.Dict<string | string[]>; body: Buffer }>(
    (resolve, reject) => {
      const headers = { authorization: customer.authorization, "accept-encoding": coding }
      const sent = request(url, { headers }, (response) => {
        const chunks: Buffer[] = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.on("end", () =>
          resolve({ headers: response.headers, body: Buffer.concat(chunks) }),
        )
      })
      sent.on("error", reject)
      sent.end()
    },
  )
}
