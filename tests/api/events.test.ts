import { get, type IncomingMessage } from "node:http"
import { connect } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import type { Customer } from "@gofermart/local-stack/customer.ts"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { EventReader } from "../harness/event-reader.ts"
import { layCable } from "../harness/cable.ts"
import { eventually } from "../harness/eventually.ts"
import { withdrawInBulk } from "../harness/history.ts"
import { processed, settleOne } from "../harness/ledger.ts"
import { newNumber, newNumbers } from "../harness/numbers.ts"
import { expectProblem } from "../harness/problem.ts"
import { startSystem, type System } from "../harness/system.ts"

describe("live events", () => {
  let system: System
  let anna: Customer
  const readers: EventReader[] = []
  beforeAll(async () => {
    system = await startSystem({ backend: "postgresql", workers: 0 })
  })
  afterAll(() => system.close())
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
    const second = await system.addApi()
    const apiUrl = second.details["url"] ?? ""
    const reader = await follow(anna, undefined, apiUrl).opened()
    await settle(anna, newNumber(), 100)
    await reader.until(1)
    second.kill("SIGKILL")
    await second.exited
    await settle(anna, newNumber(), 100)
    await anna.withdraw(newNumber(), 0.5)
    await system.addApi({ RUN_ADDRESS: new URL(apiUrl).host })
    await settle(anna, newNumber(), 100)
    const events = await reader.until(4)
    expect(events.map(({ id }) => id)).toEqual(["1", "2", "3", "4"])
    expect(events.at(-1)?.balance).toBe(2.5)
    expect(reader.connections).toBeGreaterThan(1)
    expect((await anna.balance()).current).toBe(2.5)
  })

  it("shows what was done through another instance", async () => {
    await register()
    const other = await system.addApi()
    const reader = await follow(anna, undefined, other.details["url"]).opened()
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

  it("ends when the token's user logs out everywhere", async () => {
    await register()
    const response = await anna.request("GET", "/api/user/events")
    const ended = response.text()
    await anna.request("POST", "/api/user/logout?everywhere=true")
    expect(await ended).toMatch(/^retry: \d+\nid: 0\n\n/)
  })

  it("ends at the shutdown, which a reader that takes nothing does not hold up", async () => {
    await register()
    const other = await system.addApi({ SHUTDOWN_GRACE: "60s" })
    const url = `${other.details["url"]}/api/user/events`
    const headers = { authorization: anna.authorization }
    const takesNothing = await fetch(url, { headers })
    const ended = (await fetch(url, { headers })).text()
    // Its limit for requests under way would be 42 s.
    expect(await Promise.race([other.stop(), sleep(10_000, "late")])).toBe(0)
    expect(await ended).toContain("id: 0")
    await takesNothing.body?.cancel()
  })

  it("ends when the token expires", async () => {
    const other = await system.addApi({ TOKEN_LIFETIME: "2s" })
    await register()
    const apiUrl = other.details["url"] ?? ""
    const login = await fetch(`${apiUrl}/api/user/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ login: anna.login, password: `the password of ${anna.login}` }),
    })
    const authorization = login.headers.get("authorization") ?? ""
    const response = await fetch(`${apiUrl}/api/user/events`, { headers: { authorization } })
    expect(await response.text()).toContain("id: 0")
  })

  it("refuses the eleventh stream of a user, and takes it when one has gone", async () => {
    await register()
    const open = Array.from({ length: 10 }, () => follow(anna))
    await Promise.all(open.map((reader) => reader.opened()))
    const refused = await anna.request("GET", "/api/user/events")
    expect(refused.headers.get("retry-after")).toMatch(/^\d+$/)
    await expectProblem(refused, 429, "too_many_streams")
    open[0]?.close()
    await eventually("there is room", async () => {
      const response = await anna.request("GET", "/api/user/events")
      await response.body?.cancel()
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
    const cable = await layCable(system.database.url)
    const other = await system.addApi({ DATABASE_URL: cable.url })
    const reader = await follow(anna, undefined, other.details["url"]).opened()
    await settle(anna, newNumber(), 100)
    await reader.until(1)
    await cable.cut()
    await settle(anna, newNumber(), 100)
    await sleep(3_000)
    await cable.mend()
    await settle(anna, newNumber(), 100)
    expect((await reader.until(3)).map(({ id }) => id)).toEqual(["1", "2", "3"])
    expect(reader.connections).toBe(1)
    await cable.close()
  })

  it("answers 400 to an id that is none and 401 without a token", async () => {
    await register()
    const headers = { authorization: anna.authorization, "last-event-id": "one" }
    const bad = await fetch(`${system.apiUrl}/api/user/events`, { headers })
    await expectProblem(bad, 400, "malformed_request")
    const anonymous = await fetch(`${system.apiUrl}/api/user/events`)
    await expectProblem(anonymous, 401, "unauthenticated")
  })
})
