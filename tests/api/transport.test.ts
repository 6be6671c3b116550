import { connect } from "node:net"
import { isDeepStrictEqual } from "node:util"
import { gunzipSync, gzipSync } from "node:zlib"
import { request } from "node:http"
import type { Customer } from "@gofermart/local-stack/customer.ts"
import { beforeAll, describe, expect, inject, it } from "vitest"
import { eventually } from "../harness/eventually.ts"
import { newLogin, newNumber } from "../harness/numbers.ts"
import { expectProblem } from "../harness/problem.ts"
import { joinSharedSystem, type SharedSystem } from "../harness/shared-system.ts"

describe("the HTTP server", () => {
  let system: SharedSystem
  let anna: Customer
  beforeAll(async () => {
    system = await joinSharedSystem()
    anna = await system.register()
  })

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

  it.each([
    ["gzip;q=0, *", "zstd"],
    ["zstd;q=0, br;q=0, *", "gzip"],
    ["gzip;q=0", undefined],
    ["identity, gzip;q=0.5", undefined],
    ["gzip;q=0.5, deflate;q=0.8, *;q=0.1", "deflate"],
    ["GZIP;Q=1, br;q=0", "gzip"],
    ["x-gzip", "gzip"],
    ["*;q=0", undefined],
    ["rot13, gzip;q=0.001", "gzip"],
    ["gzip,".repeat(200), "gzip"],
    ["gzip,".repeat(201), undefined],
    ["", undefined],
  ])("answers Accept-Encoding: %s with %s", async (accepted, coding) => {
    const response = await fetchRaw(`${system.apiUrl}/api/user/orders`, anna, accepted)
    expect(response.headers["content-encoding"]).toBe(coding)
    expect(response.headers["vary"]).toBe("accept-encoding")
  })

  it("says of every answer that it depends on Accept-Encoding, also of a short one or none", async () => {
    await anna.upload(newNumber())
    const paths = ["balance", "orders?limit=1", "transactions", "withdrawals", "orders/18"]
    for (const path of [...paths.map((name) => `/api/user/${name}`), "/healthz"]) {
      const { headers } = await anna.request("GET", path)
      const vary = path.endsWith("transactions") ? "accept, accept-encoding" : "accept-encoding"
      expect({ path, vary: headers.get("vary") }).toEqual({ path, vary })
    }
  })

  it.each(["balance", "orders", "orders?limit=30"])(
    "answers 304 for %s with the headers of its 200, and no length but that of its content",
    async (path) => {
      const url = `${system.apiUrl}/api/user/${path}`
      for (const coding of ["identity", "gzip"]) {
        const first = await fetchRaw(url, anna, coding)
        const { etag, vary, "cache-control": cached } = first.headers
        for (const method of ["GET", "HEAD"]) {
          const again = await fetchRaw(url, anna, coding, {
            method,
            headers: { "if-none-match": String(etag) },
          })
          expect(again).toMatchObject({
            status: 304,
            headers: { etag, vary, "cache-control": cached },
          })
          expect(again.body).toHaveLength(0)
          const length = again.headers["content-length"]
          if (length !== undefined) expect(length).toBe(first.headers["content-length"])
        }
      }
    },
  )

  it("answers HEAD as it answers GET, for everything that there is to get", async () => {
    const number = newNumber()
    await anna.upload(number)
    const { paths } = inject("openapi")
    const gets = Object.keys(paths).filter((path) => paths[path]?.["get"] !== undefined)
    expect(gets).toContain("/api/user/events")
    for (const path of [...gets, "/openapi.json", "/docs"]) {
      const url = `${system.apiUrl}${path.replace("{number}", number)}`
      for (const coding of ["identity", "gzip"]) {
        const [got, headed] = await Promise.all(
          ["GET", "HEAD"].map((method) => fetchRaw(url, anna, coding, { method })),
        )
        expect(headed?.body).toHaveLength(0)
        const described = ({ status, headers }: Partial<RawAnswer> = {}) => {
          // How a body is sent, and what is the request's own.
          const own = ["date", "x-request-id", "connection", "keep-alive", "transfer-encoding"]
          const kept = Object.entries(headers ?? {}).filter(([name]) => !own.includes(name))
          return { path, coding, status, ...Object.fromEntries(kept) }
        }
        const { "content-length": length, ...rest } = {
          "content-length": undefined,
          ...described(headed),
        }
        expect(described(got)).toMatchObject(rest)
        if (length !== undefined) expect(length).toBe(got?.headers["content-length"])
      }
    }
  })

  it.each(["gzip", "GZIP", "x-gzip", " gzip "])("understands a body in %s", async (coding) => {
    const body = gzipSync(JSON.stringify({ login: newLogin(), password: "a good password" }))
    const response = await registerWith(body, { "content-encoding": coding })
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
    await eventually("it is ready", async () => {
      const ready = await fetch(`${system.apiUrl}/readyz`)
      return ready.ok && isDeepStrictEqual(await ready.json(), { database: "ok", queue: "ok" })
    })
  })
})

interface RawAnswer {
  status: number | undefined
  headers: NodeJS.Dict<string | string[]>
  body: Buffer
}

/** Of what does not end by itself the beginning is enough. */
function fetchRaw(
  url: string,
  customer: Customer,
  coding: string,
  { method = "GET", headers = {} }: { method?: string; headers?: Record<string, string> } = {},
) {
  return new Promise<RawAnswer>((resolve, reject) => {
    const { authorization } = customer
    const all = { authorization, "accept-encoding": coding, ...headers }
    const sent = request(url, { method, headers: all }, (response) => {
      const { statusCode: status, headers: received } = response
      const chunks: Buffer[] = []
      const end = () => resolve({ status, headers: received, body: Buffer.concat(chunks) })
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk)
        if (received["content-type"] !== "text/event-stream") return
        end()
        sent.destroy()
      })
      response.on("end", end)
    })
    sent.on("error", reject)
    sent.end()
  })
}
