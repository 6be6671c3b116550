import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { getCACertificates, setDefaultCACertificates } from "node:tls"
import { createGofermartClient, followEvents } from "@gofermart/client"
import { freePort } from "@gofermart/local-stack/ports.ts"
import { beforeAll, expect, it, onTestFinished, vi } from "vitest"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import { expectProblem } from "../harness/problem.ts"
import { AUTHORITIES, describeBehindProxies } from "../harness/reverse-proxies.ts"
import { overHttp1, overHttp2 } from "../harness/strict-client.ts"
import { startSystem } from "../harness/system.ts"

const REQUESTS = 20
/** Far less than a proxy would wait for an answer. */
const LEFT_WITHIN_MS = 20_000

/** A server in an API's place that is ready, and answers everything else as a test has it. */
async function startUpstream(serve: (request: IncomingMessage, response: ServerResponse) => void) {
  const upstream = { url: "", connections: 0, seen: [] as string[] }
  const server = createServer((request, response) => {
    if (request.url === "/readyz") return void response.end("ready")
    upstream.seen.push(`${request.method} ${request.url}`)
    request.resume().on("end", () => serve(request, response))
  })
  server.on("connection", (socket) => {
    // The checks of a proxy have connections of their own.
    socket.once("data", (head) => {
      if (!head.toString().startsWith("GET /readyz")) upstream.connections += 1
    })
  })
  await once(server.listen(0, "127.0.0.1"), "listening")
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  upstream.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return upstream
}

const awayUrl = async () => `http://127.0.0.1:${await freePort()}`

describeBehindProxies("an API", (start) => {
  beforeAll(() => {
    // For `fetch`, and what is built on it.
    setDefaultCACertificates([...getCACertificates("default"), ...AUTHORITIES])
  })

  it("is sent requests on connections that are kept", async () => {
    const upstream = await startUpstream((_request, response) => response.end("done"))
    const proxy = await start([upstream.url, await awayUrl()])
    const client = overHttp1(proxy.url)
    onTestFinished(() => client.close())
    for (let i = 0; i < REQUESTS; i++) {
      const method = i % 2 === 0 ? "GET" : "POST"
      expect(await client.ask(`/${i}`, { method })).toMatchObject({ status: 200, body: "done" })
    }
    expect(upstream.seen).toHaveLength(REQUESTS)
    expect(upstream.connections).toBeLessThanOrEqual(REQUESTS / 4)
  })

  it("that breaks off without an answer is sent no POST again, and other requests go to the next", async () => {
    const bad = await startUpstream((request) => request.socket.destroy())
    const good = await startUpstream((_request, response) => response.end("done"))
    const proxy = await start([bad.url, good.url])
    const client = overHttp1(proxy.url)
    onTestFinished(() => client.close())
    const outcomes = new Set<number | undefined>()
    for (let i = 0; i < REQUESTS; i++) {
      const answered = client.ask(`/${i}`, { method: "POST", body: "1" })
      // HAProxy ends a connection that it has answered on before; our clients take that for no answer.
      outcomes.add(
        await answered.then(
          ({ status }) => status,
          () => undefined,
        ),
      )
    }
    const posts = [...bad.seen, ...good.seen]
    expect(bad.seen.length).toBeGreaterThan(0)
    expect(new Set(posts).size).toBe(posts.length)
    expect(outcomes).toContain(200)
    expect(outcomes.isSubsetOf(new Set([200, 503, undefined]))).toBe(true)
    expect(outcomes.size).toBeGreaterThan(1)
    await eventually("a GET was sent again", async () => {
      const path = `/${newNumber()}`
      expect(await client.ask(path)).toMatchObject({ status: 200, body: "done" })
      return bad.seen.includes(`GET ${path}`)
    })
  })

  it.each([
    ["HTTP/1.1", overHttp1],
    ["HTTP/2", overHttp2],
  ])("is left by a request over %s whose client hangs up", async (_name, over) => {
    const [waiting, left] = [vi.fn<() => void>(), vi.fn<() => void>()]
    const hold = (_request: IncomingMessage, response: ServerResponse) => {
      response.on("close", left)
      waiting()
    }
    const proxy = await start([(await startUpstream(hold)).url, (await startUpstream(hold)).url])
    const client = over(proxy.url)
    const unanswered = client.ask("/wait").catch(() => "unanswered")
    await eventually("it waits", async () => waiting.mock.calls.length > 0)
    client.close()
    await eventually("it is left", async () => left.mock.calls.length > 0, LEFT_WITHIN_MS)
    expect(await unanswered).toBe("unanswered")
  })

  it("that is away is a 503 of the API's own form, which our client takes for one to come back from", async () => {
    const [first, second] = [await awayUrl(), await awayUrl()]
    const proxy = await start([first, second])
    for (const method of ["GET", "POST"]) {
      const answer = await fetch(`${proxy.url}/api/user/orders`, { method })
      expect(answer.headers.get("retry-after")).toBe("1")
      await expectProblem(answer, 503, "unavailable")
    }
    const system = await startSystem({ backend: "postgresql" })
    await system.simulator.behave({ autoRegister: true })
    const customer = await system.register()
    const token = customer.authorization.replace("Bearer ", "")
    const client = createGofermartClient(proxy.url, { token })
    const { error } = await client.GET("/api/user/balance")
    expect(error?.code).toBe("unavailable")

    const stop = new AbortController()
    const events = followEvents(client, { signal: stop.signal, lastEventId: "0" })
    const event = events.next()
    const number = newNumber()
    await customer.upload(number)
    await system.addApi({ RUN_ADDRESS: new URL(second).host, TRUSTED_PROXIES: "127.0.0.1" })
    expect((await event).value).toMatchObject({ data: { order: { number } } })
    stop.abort()
    await eventually("its streams end", async () => (await events.next()).done)
  })
})
