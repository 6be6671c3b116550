import { get, type IncomingMessage } from "node:http"
import { connect } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import type { Child } from "@gofermart/local-stack/child.ts"
import type { Customer } from "@gofermart/local-stack/customer.ts"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { EventReader } from "../harness/event-reader.ts"
import { type FaultProxy, startFaultProxy } from "../harness/fault-proxy.ts"
import { eventually } from "../harness/eventually.ts"
import { withdrawInBulk } from "../harness/history.ts"
import { processed, settleOne } from "../harness/ledger.ts"
import { newNumber, newNumbers } from "../harness/numbers.ts"
import { expectProblem } from "../harness/problem.ts"
import { joinSharedSystem, type SharedSystem } from "../harness/shared-system.ts"

const STREAMS_PER_NETWORK_MAX = 12

describe("live events", () => {
  let system: SharedSystem
  let anna: Customer
  /** Another instance, for what the shared one must not go through. */
  let other: Child
  let proxy: FaultProxy
  const readers: EventReader[] = []
  const startOther = async (address = "127.0.0.1:0") => {
    other = await system.addApi({
      RUN_ADDRESS: address,
      DATABASE_URL: proxy.url,
      TOKEN_LIFETIME: "2s",
      TRUSTED_PROXIES: "127.0.0.1",
      STREAMS_PER_NETWORK_MAX: String(STREAMS_PER_NETWORK_MAX),
      SHUTDOWN_GRACE: "60s",
    })
  }
  const otherUrl = () => other.details["url"] ?? ""
  beforeAll(async () => {
    system = await joinSharedSystem()
    proxy = await startFaultProxy(system.database.url)
    await startOther()
  })
  afterAll(() => proxy.close())
  afterEach(() => {
    for (const reader of readers.splice(0)) reader.close()
  })

  const follow = (customer: Customer, lastEventId?: string, apiUrl = system.apiUrl) => {
    const url = `${apiUrl}/api/user/events`
    const reader = new EventReader(url, customer.authorization, lastEventId)
    readers.push(reader)
    return reader
  }
  const settle = async (customer: Customer, number: string, hundredths: number) => {
    await customer.upload(number)
    const { client } = system.database
    const { id } = await client.order.findUniqueOrThrow({ where: { number } })
    await settleOne(client, id, processed(hundredths))
  }
  const register = async () => (anna = await system.register())

  it("shows each settled order and each withdrawal once, in order, with the balance", async () => {
    await register()
    const reader = await follow(anna).opened()
    const [earned, paid, nothing] = newNumbers(3) as [never, never, never]
    await settle(anna, earned, 72_998)
    await anna.withdraw(paid, 100.01)
    await anna.upload(nothing)
    const { client } = system.database
    const { id } = await client.order.findUniqueOrThrow({ where: { number: nothing } })
    await settleOne(client, id, { kind: "INVALID" })
    expect(await reader.until(3)).toEqual([
      {
        id: "1",
        type: "order",
        order: {
          number: earned,
          status: "PROCESSED",
          accrual: 729.98,
          uploaded_at: expect.any(String),
        },
        balance: 729.98,
      },
      {
        id: "2",
        type: "withdrawal",
        withdrawal: { order: paid, sum: 100.01, processed_at: expect.any(String) },
        balance: 629.97,
      },
      {
        id: "3",
        type: "order",
        order: { number: nothing, status: "INVALID", uploaded_at: expect.any(String) },
        balance: 629.97,
      },
    ])
  })

  it("begins with what comes from now on, or after the id that the client names", async () => {
    await register()
    for (let i = 0; i < 3; i++) await settle(anna, newNumber(), 100)
    const fromNow = await follow(anna).opened()
    const all = follow(anna, "0")
    const rest = follow(anna, "2")
    await settle(anna, newNumber(), 100)
    expect((await fromNow.until(1)).map(({ id }) => id)).toEqual(["4"])
    expect((await all.until(4)).map(({ id }) => id)).toEqual(["1", "2", "3", "4"])
    expect((await rest.until(2)).map(({ id }) => id)).toEqual(["3", "4"])
  })

  it("tells a client where it is before there was an event", async () => {
    await register()
    for (let i = 0; i < 3; i++) await settle(anna, newNumber(), 100)
    const { body } = await anna.request("GET", "/api/user/events")
    const { value } = (await body?.getReader().read()) ?? {}
    expect(Buffer.from(value ?? []).toString()).toBe("retry: 2000\nid: 3\n\n")
  })

  it("gives a long history in full and begins at the present for an id from the future", async () => {
    await register()
    await settle(anna, newNumber(), 1_000_00)
    const future = follow(anna, "999999")
    await future.opened()
    for (let i = 0; i < 250; i++) await anna.withdraw(newNumber(), 0.01)
    const all = await follow(anna, "0").until(251)
    expect(all.map(({ id }) => Number(id))).toEqual(Array.from({ length: 251 }, (_, i) => i + 1))
    expect((await future.until(250)).map(({ id }) => id)).toEqual(all.slice(1).map(({ id }) => id))
  })

  it("has no gap and no repeat across a restart of the API", async () => {
    await register()
    const reader = await follow(anna, undefined, otherUrl()).opened()
    await settle(anna, newNumber(), 100)
    await reader.until(1)
    other.kill("SIGKILL")
    await other.exited
    await settle(anna, newNumber(), 100)
    await anna.withdraw(newNumber(), 0.5)
    await startOther(new URL(otherUrl()).host)
    await settle(anna, newNumber(), 100)
    const events = await reader.until(4)
    expect(events.map(({ id }) => id)).toEqual(["1", "2", "3", "4"])
    expect(events.at(-1)?.balance).toBe(2.5)
    expect(reader.connections).toBeGreaterThan(1)
    expect((await anna.balance()).current).toBe(2.5)
  })

  it("shows what was done through another instance", async () => {
    await register()
    const reader = await follow(anna, undefined, otherUrl()).opened()
    await settle(anna, newNumber(), 500)
    await anna.withdraw(newNumber(), 1)
    expect((await reader.until(2)).map(({ type }) => type)).toEqual(["order", "withdrawal"])
  })

  it("skips a version whose order was uploaded again, and repeats nothing", async () => {
    await register()
    const number = newNumber()
    await anna.upload(number)
    const { client } = system.database
    const { id } = await client.order.findUniqueOrThrow({ where: { number } })
    for (let i = 0; i < 2; i++) await settleOne(client, id, { kind: "NOT_REGISTERED" }, 0)
    await anna.upload(number)
    const reader = await follow(anna, "0").opened()
    await settle(anna, newNumber(), 100)
    expect((await reader.until(1)).map(({ id: version }) => version)).toEqual(["2"])
  })

  it("holds nobody up for a reader that takes nothing, who misses nothing either", async () => {
    const WITHDRAWALS = 40_000
    await register()
    await settle(anna, newNumber(), WITHDRAWALS)
    await withdrawInBulk(system.database.client, anna.login, WITHDRAWALS)
    const path = "/api/user/events"
    const headers = { authorization: anna.authorization, "last-event-id": "0" }
    const response = await new Promise<IncomingMessage>((resolve) => {
      get(`${system.apiUrl}${path}`, { headers }, (stalled) => resolve(stalled.pause()))
    })
    const prompt = await follow(anna).opened()
    await settle(anna, newNumber(), 500)
    expect((await prompt.until(1)).map(({ balance }) => balance)).toEqual([5])

    let text = ""
    response.setEncoding("utf8").on("data", (piece: string) => (text += piece))
    response.resume()
    await eventually("all of it came", async () => text.includes(`id: ${WITHDRAWALS + 2}\n`))
    response.destroy()
    const ids = [...text.matchAll(/^id: (\d+)\nevent/gm)].map(([, version]) => Number(version))
    expect(ids).toEqual(Array.from({ length: WITHDRAWALS + 2 }, (_, i) => i + 1))
  })

  it.each([
    ["logs out", "logout"],
    ["logs out everywhere", "logout?everywhere=true"],
  ])("ends when the token's user %s", async (_, path) => {
    await register()
    const response = await anna.request("GET", "/api/user/events")
    const ended = response.text()
    await anna.request("POST", `/api/user/${path}`)
    expect(await ended).toMatch(/^retry: \d+\nid: 0\n\n/)
  })

  it("ends when the token expires", async () => {
    await register()
    const login = await fetch(`${otherUrl()}/api/user/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ login: anna.login, password: `the password of ${anna.login}` }),
    })
    const authorization = login.headers.get("authorization") ?? ""
    const response = await fetch(`${otherUrl()}/api/user/events`, { headers: { authorization } })
    expect(await response.text()).toContain("id: 0")
  })

  it("gives a user's eleventh stream the place of the oldest, which may be resumed", async () => {
    await register()
    const ended = (await anna.request("GET", "/api/user/events")).text()
    const others = await Promise.all(Array.from({ length: 9 }, () => follow(anna).opened()))
    const eleventh = await follow(anna).opened()
    // Not at once: it would take the place of another.
    expect(await ended).toBe("retry: 2000\nid: 0\n\nretry: 60000\n\n")
    await settle(anna, newNumber(), 100)
    for (const reader of [...others, eleventh]) {
      await reader.until(1)
      expect(reader.connections).toBe(1)
    }
  })

  it("leaves another network the streams that many accounts of one would have", async () => {
    const open = async (network: string) => {
      const { authorization } = await system.register()
      const headers = { authorization, "x-forwarded-for": network }
      const hangUp = new AbortController()
      const response = await fetch(`${otherUrl()}/api/user/events`, {
        headers,
        signal: hangUp.signal,
      })
      return { response, hangUp: () => hangUp.abort() }
    }
    const taken = await Promise.all(
      Array.from({ length: STREAMS_PER_NETWORK_MAX }, () => open("203.0.113.1")),
    )
    expect(taken.map(({ response }) => response.status)).toEqual(taken.map(() => 200))
    const { response: refused } = await open("203.0.113.1")
    expect(refused.headers.get("retry-after")).toMatch(/^\d+$/)
    await expectProblem(refused, 429, "too_many_streams")
    const elsewhere = await open("203.0.113.2")
    expect(elsewhere.response.status).toBe(200)
    for (const { hangUp } of [...taken, elsewhere]) hangUp()
    await eventually("there is room", async () => {
      const { response, hangUp } = await open("203.0.113.1")
      hangUp()
      return response.status === 200
    })
  })

  it("counts no stream whose client hung up before it began", async () => {
    await register()
    const { hostname, port } = new URL(system.apiUrl)
    for (let i = 0; i < 30; i++) {
      await new Promise<void>((resolve) => {
        const socket = connect(Number(port), hostname, () => {
          const head = `GET /api/user/events HTTP/1.1\r\nHost: x\r\n`
          socket.write(`${head}Authorization: ${anna.authorization}\r\n\r\n`, () => {
            socket.resetAndDestroy()
            resolve()
          })
        })
      })
    }
    await sleep(500)
    const open = Array.from({ length: 10 }, () => follow(anna))
    await Promise.all(open.map((reader) => reader.opened()))
    expect(open.map(({ connections }) => connections)).toEqual(Array.from(open, () => 1))
  })

  it("goes on where it was after the database was away", async () => {
    await register()
    const reader = await follow(anna, undefined, otherUrl()).opened()
    await settle(anna, newNumber(), 100)
    await reader.until(1)
    await proxy.cut()
    await settle(anna, newNumber(), 100)
    await eventually("the other instance has looked in vain", async () =>
      (await system.ownLogs()).includes("cannot poll the rows that are waited for"),
    )
    const headers = { authorization: anna.authorization }
    const refused = await fetch(`${otherUrl()}/api/user/balance`, { headers })
    await expectProblem(refused, 503, "unavailable")
    // A line for each of what may be many, and no stack, which would be that of our driver.
    const line = /^.*"the database is not available".*$/m.exec(await system.ownLogs())?.[0] ?? "{}"
    expect(JSON.parse(line)).toMatchObject({ level: 40, reason: expect.any(String) })
    expect(line).not.toContain("stack")
    await proxy.mend()
    await settle(anna, newNumber(), 100)
    expect((await reader.until(3)).map(({ id }) => id)).toEqual(["1", "2", "3"])
    expect(reader.connections).toBe(1)
  })

  it("answers 400 to an id that is none and 401 without a token", async () => {
    await register()
    const headers = { authorization: anna.authorization, "last-event-id": "one" }
    const bad = await fetch(`${system.apiUrl}/api/user/events`, { headers })
    await expectProblem(bad, 400, "malformed_request")
    const anonymous = await fetch(`${system.apiUrl}/api/user/events`)
    await expectProblem(anonymous, 401, "unauthenticated")
  })

  it("answers HEAD as GET begins, and opens no stream for it", async () => {
    await register()
    const { authorization } = anna
    const ask = (method: string) =>
      fetch(`${system.apiUrl}/api/user/events`, { method, headers: { authorization } })
    // More than one user may have open.
    const heads = await Promise.all(Array.from({ length: 11 }, () => ask("HEAD")))
    expect(new Set(heads.map(({ status }) => status))).toEqual(new Set([200]))
    expect(heads[0]?.headers.get("content-type")).toBe("text/event-stream")
    expect(heads[0]?.headers.has("content-length")).toBe(false)
    const stream = await ask("GET")
    expect(stream.status).toBe(200)
    await stream.body?.cancel()
  })

  it("ends at the shutdown, which a reader that takes nothing does not hold up", async () => {
    await register()
    const url = `${otherUrl()}/api/user/events`
    const headers = { authorization: anna.authorization }
    const takesNothing = await fetch(url, { headers })
    const ended = (await fetch(url, { headers })).text()
    // Its limit for requests under way would be 42 s.
    expect(await Promise.race([other.stop(), sleep(10_000, "late")])).toBe(0)
    expect(await ended).toContain("id: 0")
    await takesNothing.body?.cancel()
  })
})
