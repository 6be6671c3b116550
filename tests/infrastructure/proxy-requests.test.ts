import { beforeAll, expect, it, onTestFinished } from "vitest"
import { eventually } from "../harness/eventually.ts"
import { newLogin, newNumber } from "../harness/numbers.ts"
import { describeBehindProxies, type ReverseProxy } from "../harness/reverse-proxies.ts"
import {
  askOnce,
  openEventStream,
  overHttp1,
  overHttp2,
  type StrictClient,
} from "../harness/strict-client.ts"
import { startSystem, type System } from "../harness/system.ts"

/** What an API takes (`app.ts`), and what is more than any proxy lets through. */
const BODY_BYTES_MAX = 262_144
const FAR_TOO_LONG_BYTES = 3_000_000
/** What is held back comes with the next heartbeat, after 15 s, or not at all. */
const AT_ONCE_MS = 10_000
const JSON_BODY = { "content-type": "application/json" }
const PASSWORD = "a good password"

describeBehindProxies("a request", (start) => {
  let system: System
  let proxy: ReverseProxy
  beforeAll(async () => {
    const env = { TRUSTED_PROXIES: "127.0.0.1", LOGIN_FAILURES_MAX: "3" }
    system = await startSystem({ backend: "postgresql", env })
    await system.simulator.behave({ autoRegister: true, pendingAnswers: 1 })
    proxy = await start([system.apiUrl, (await system.addApi()).details["url"] ?? ""])
  })

  const closing = (client: StrictClient) => {
    onTestFinished(() => client.close())
    return client
  }
  const logIn = (client: StrictClient, login: string, password: string, headers = {}) =>
    client.ask("/api/user/login", {
      method: "POST",
      headers: { ...JSON_BODY, ...headers },
      body: JSON.stringify({ login, password }),
    })
  /** With a password that is known. */
  const register = async (client: StrictClient) => {
    const login = newLogin()
    const body = JSON.stringify({ login, password: PASSWORD })
    const ask = { method: "POST", headers: JSON_BODY, body }
    expect((await client.ask("/api/user/register", ask)).status).toBe(200)
    return login
  }

  it("an event stream and a wait share a connection of HTTP/2, and neither is held back", async () => {
    const { authorization } = await system.register()
    const stream = openEventStream(proxy.url, authorization)
    onTestFinished(() => stream.close())
    await eventually(
      "the stream has begun",
      async () => stream.text().includes("retry:"),
      AT_ONCE_MS,
    )

    const number = newNumber()
    const headers = { authorization, "content-type": "text/plain", prefer: "wait=30" }
    const ask = { method: "POST", headers, body: number }
    const answer = await askOnce(stream.session, "/api/user/orders", ask)
    expect(answer).toMatchObject({ status: 202, headers: { "preference-applied": "wait=30" } })
    expect(JSON.parse(answer.body)).toMatchObject({ number, status: "PROCESSED" })
    await eventually("the event comes", async () => stream.text().includes(number), AT_ONCE_MS)
    expect(stream.session.alpnProtocol).toBe("h2")
  })

  it("counts for the client's own address, whatever it says of itself", async () => {
    const [near, far] = ["127.0.0.2", "127.0.0.3"].map((address) =>
      closing(overHttp1(proxy.url, address)),
    ) as [StrictClient, StrictClient]
    const login = await register(far)
    for (const spoofed of ["203.0.113.1", "203.0.113.2, 127.0.0.1", "203.0.113.3"]) {
      const forwarded = { "x-forwarded-for": spoofed, forwarded: `for=${spoofed}` }
      expect((await logIn(near, login, "a wrong one", forwarded)).status).toBe(401)
    }
    const refused = await logIn(near, login, PASSWORD, { "x-forwarded-for": "203.0.113.4" })
    expect(JSON.parse(refused.body)).toMatchObject({ status: 429, code: "too_many_attempts" })
    expect((await logIn(far, login, PASSWORD)).status).toBe(200)
    const logged = await eventually("the log has the failures", async () => {
      const lines = (await system.logs()).split("\n").filter((line) => /a login failed/.test(line))
      return lines.length >= 3 && lines.join("\n")
    })
    expect(logged).toContain("127.0.0.2")
    expect(logged).not.toContain("203.0.113")
  })

  it("is one over TLS to this host, whatever it says of itself", async () => {
    const client = closing(overHttp1(proxy.url))
    const login = await register(client)
    const evil = { "x-forwarded-proto": "http", "x-forwarded-host": "evil.example" }
    const { headers } = await logIn(client, login, PASSWORD, evil)
    const [cookie = ""] = headers["set-cookie"] ?? []
    expect(cookie).toMatch(/^__Host-gofermart=.*; Secure/)
    const upload = (origin: string) =>
      client.ask("/api/user/orders", {
        method: "POST",
        headers: {
          ...evil,
          origin,
          cookie: cookie.split(";")[0] ?? "",
          "content-type": "text/plain",
        },
        body: newNumber(),
      })
    expect((await upload("https://evil.example")).status).toBe(403)
    expect((await upload(proxy.url)).status).toBe(202)
  })

  it("without TLS is led to the same address with it", async () => {
    const answer = await fetch(`${proxy.plainUrl}/somewhere?limit=3`, { redirect: "manual" })
    expect(answer.status).toBe(308)
    const expected = new RegExp("^https://127.0.0.1(:\\d+)?/somewhere\\?limit=3$")
    expect(answer.headers.get("location")).toMatch(expected)
  })

  it.each([
    ["HTTP/1.1", overHttp1],
    ["HTTP/2", overHttp2],
  ])("has over %s the answer that the API gives, refusals included", async (_name, over) => {
    const client = closing(over(proxy.url))
    const { authorization } = await system.register()
    const upload = (length: number) => ({
      method: "POST",
      headers: { authorization, "content-type": "text/plain" },
      body: "1".repeat(length),
    })
    const big = { authorization, "x-filler": "x".repeat(12_000) }
    const rows: [number, string, string, Parameters<StrictClient["ask"]>[1]][] = [
      [404, "not_found", "/nothing/here", {}],
      [401, "unauthenticated", "/api/user/balance", {}],
      [405, "method_not_allowed", "/api/user/login", { method: "PATCH" }],
      [404, "order_not_found", "/api/user/orders/79927398713", { headers: big }],
      [422, "invalid_order_number", "/api/user/orders", upload(BODY_BYTES_MAX)],
      [413, "body_too_large", "/api/user/orders", upload(BODY_BYTES_MAX + 1)],
    ]
    for (const [status, code, path, ask] of rows) {
      const { headers, ...answer } = await client.ask(path, ask)
      expect({ path, status: answer.status }).toEqual({ path, status })
      expect(headers["content-type"]).toBe("application/problem+json")
      // Only the API's own has the path.
      expect(JSON.parse(answer.body)).toMatchObject({ status, code, instance: path })
    }
    const hugely = await client.ask("/api/user/orders", upload(FAR_TOO_LONG_BYTES))
    expect(JSON.parse(hugely.body)).toMatchObject({ status: 413, code: "body_too_large" })
    expect(hugely.headers["x-request-id"]).toBe(JSON.parse(hugely.body).request_id)
  })
})
