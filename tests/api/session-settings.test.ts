import { setTimeout as sleep } from "node:timers/promises"
import type { Child } from "@gofermart/local-stack/child.ts"
import { Customer } from "@gofermart/local-stack/customer.ts"
import { openDatabase } from "@gofermart/shared/db/client.ts"
import { SERVICE_TIMEOUTS } from "@gofermart/shared/db/service-timeouts.ts"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { describeOrder } from "@gofermart/shared/operator/describe-order.ts"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { databaseNow } from "../harness/instants.ts"
import { eventually } from "../harness/eventually.ts"
import { processed, settleOne } from "../harness/ledger.ts"
import { newLogin, newNumber } from "../harness/numbers.ts"
import { UNLIKE_SESSIONS, urlOfRole } from "../harness/session-settings.ts"
import { startSystem, type System } from "../harness/system.ts"
import { openQueue } from "../harness/database-breakpoints.ts"
import { runProgram } from "../operator/run.ts"

const SHORT_LIFETIME_MS = 2_000
const LONG_LIFETIME_MS = 4 * 3_600_000
/** How far the clocks of two instances may be apart. */
const CLOCK_TOLERANCE_MS = 5_000
const ORDERS = 5
/** Orders of a list that is sent in pieces. */
const LONG_LIST = 1_001

describe("instances whose sessions have other time zones, date styles and digits", () => {
  let system: System
  let apis: Child[]
  let roles: { url: string; drop(): Promise<void> }[]
  let anna: Customer
  let begunMs: number
  let endedMs: number
  const numbers: string[] = []

  beforeAll(async () => {
    system = await startSystem({ backend: "postgresql", workers: 0 })
    roles = []
    for (const settings of UNLIKE_SESSIONS) roles.push(await urlOfRole(system.database, settings))
    const lifetimes = [SHORT_LIFETIME_MS, LONG_LIFETIME_MS]
    apis = await Promise.all(
      roles.map(({ url }, index) =>
        system.addApi({ DATABASE_URL: url, TOKEN_LIFETIME: `${lifetimes[index]}ms` }),
      ),
    )
    begunMs = (await databaseNow(system.database.client)) / 1_000
    anna = await system.register()
    const { client } = system.database
    for (let i = 0; i < ORDERS; i++) {
      const number = newNumber()
      numbers.push(number)
      await anna.upload(number)
      const { id } = await client.order.findUniqueOrThrow({ where: { number } })
      await settleOne(client, id, processed(1_001 + i))
      if (i === 0) await settleOne(client, id, { kind: "INVALID" })
    }
    for (let i = 1; i < ORDERS; i++) await anna.withdraw(newNumber(), i / 10)
    endedMs = (await databaseNow(client)) / 1_000
  })
  afterAll(async () => {
    await Promise.all(apis.map((api) => api.stop()))
    for (const role of roles) await role.drop()
    await system.close()
  })

  const urls = () => [system.apiUrl, ...apis.map(({ details }) => details["url"] ?? "")]
  const ask = (apiUrl: string, path: string, headers: Record<string, string> = {}) =>
    fetch(`${apiUrl}${path}`, { headers: { authorization: anna.authorization, ...headers } })
  /** What each instance answers, and that they all answer the same. */
  const sameFromAll = async (read: (apiUrl: string) => Promise<unknown>) => {
    const [first, ...others] = await Promise.all(urls().map(read))
    for (const other of others) expect(other).toEqual(first)
    return first
  }

  it.each([
    "/api/user/orders",
    "/api/user/orders?limit=2",
    "/api/user/withdrawals",
    "/api/user/withdrawals?limit=2",
    "/api/user/transactions",
    "/api/user/transactions?limit=2",
  ])("give the same %s, its tag and its cursor, byte for byte", async (path) => {
    for (const accept of ["application/json", "text/csv"]) {
      const answer = (await sameFromAll(async (apiUrl) => {
        const response = await ask(apiUrl, path, { accept })
        expect(response.status).toBe(200)
        const { headers } = response
        return { text: await response.text(), etag: headers.get("etag"), link: headers.get("link") }
      })) as { text: string; etag: string; link: string | null }
      expect(answer.etag).toMatch(/^W\/"/)
      const times = answer.text.match(/\d{4}-\d\d-\d\dT[\d:.]+Z/g) ?? []
      expect(times.length).toBeGreaterThanOrEqual(2)
      for (const time of times) {
        expect(Date.parse(time)).toBeGreaterThanOrEqual(Math.floor(begunMs))
        expect(Date.parse(time)).toBeLessThanOrEqual(endedMs)
      }
      for (const apiUrl of urls()) {
        expect((await ask(apiUrl, path, { accept, "if-none-match": answer.etag })).status).toBe(304)
      }
      const next = /^<([^>]+)>/.exec(answer.link ?? "")?.[1]
      expect(next === undefined).toBe(!path.includes("limit"))
      if (next === undefined) continue
      const page = await sameFromAll(async (apiUrl) => (await ask(apiUrl, next, { accept })).text())
      expect(page).not.toBe(answer.text)
    }
  })

  // Its tag is not of what it says but of the rows.
  it("give a long list the same tag", async () => {
    const boris = await system.register()
    await system.database.client.$executeRaw`
      WITH made AS (
        INSERT INTO orders (user_id, number, uploaded_at)
        SELECT u.id, ${newNumber()} || i, now() - i * interval '1 microsecond'
          FROM users u, generate_series(1, ${LONG_LIST}::int) i WHERE u.login = ${boris.login}
        RETURNING id, user_id
      )
      INSERT INTO accruals (order_id, user_id, status, requeue_at)
      SELECT id, user_id, 'PROCESSING', now() + interval '1 hour' FROM made`
    const { authorization } = boris
    const tag = await sameFromAll(async (apiUrl) => {
      const response = await ask(apiUrl, "/api/user/orders", { authorization })
      expect((await response.json()) as unknown[]).toHaveLength(LONG_LIST)
      return response.headers.get("etag")
    })
    expect(tag).toMatch(/^W\/"/)
  })

  it("give the same order and the same events, byte for byte", async () => {
    await sameFromAll(async (apiUrl) =>
      (await ask(apiUrl, `/api/user/orders/${numbers[1]}`)).text(),
    )
    const lastEvent = `id: ${2 * ORDERS - 1}\n`
    const events = await sameFromAll(async (apiUrl) => {
      const { body } = await ask(apiUrl, "/api/user/events", { "last-event-id": "0" })
      let text = ""
      for await (const piece of body ?? []) {
        text += Buffer.from(piece).toString()
        if (text.includes(lastEvent)) break
      }
      return text
    })
    expect(events).toContain("uploaded_at")
    expect(events).toContain("processed_at")
  })

  it("tell operators the same of an order", async () => {
    const [number = ""] = numbers
    const queue = await openQueue(system)
    const told = await Promise.all(
      roles.map(async ({ url }) => {
        const database = openDatabase(url, "tests", { connectionsMax: 1, ...SERVICE_TIMEOUTS })
        const described = await describeOrder(database, async () => queue, number as OrderNumber)
        await database.$disconnect()
        return described?.lines
      }),
    )
    await queue.close()
    expect(told[1]).toEqual(told[0])
    expect(told[0]?.filter((line) => /^contradicted .+Z, once$/.test(line))).toHaveLength(1)
  })

  it.each([
    ["recheck", /^UNKNOWN {6}order \d+: PROCESSED \d+\.\d\d since [-\dT:]+\.\d{6}Z, now/],
    ["user", /^registered {3}[-\dT:]+\.\d{3}Z$/m],
  ])("tell operators the same by %s", async (command, says) => {
    const range = ["--from", new Date(begunMs - 1_000).toISOString(), "--to", "2500-01-01"]
    const args = { recheck: [...range, "--pace", "600"], user: [anna.login] }[command] ?? []
    const said = await Promise.all(
      roles.map(async ({ url }) => {
        // The simulator knows none of these orders.
        const env = { DATABASE_URL: url, SCORING_URL: system.simulator.url }
        return (await runProgram(env, [command, ...args])).said
      }),
    )
    expect(said[0]).toMatch(says)
    expect(said[1]).toBe(said[0])
  })

  it("accept each other's tokens for as long as these say", async () => {
    const [, short = "", long = ""] = urls()
    const before = Date.now()
    const customers = await Promise.all(
      [short, long].map((url) => Customer.register(url, newLogin())),
    )
    const [ofShort, ofLong] = customers as [Customer, Customer]
    const after = Date.now()
    expect(expiryMs(ofShort)).toBeGreaterThan(before + SHORT_LIFETIME_MS - 1_000)
    expect(expiryMs(ofShort)).toBeLessThanOrEqual(after + SHORT_LIFETIME_MS)
    expect(expiryMs(ofLong)).toBeGreaterThan(before + LONG_LIFETIME_MS - 1_000)
    expect(expiryMs(ofLong)).toBeLessThanOrEqual(after + LONG_LIFETIME_MS)
    const statusesOf = async (customer: Customer) => {
      const { authorization } = customer
      const asked = urls().map((url) => ask(url, "/api/user/balance", { authorization }))
      return (await Promise.all(asked)).map(({ status }) => status)
    }
    expect(await statusesOf(ofShort)).toEqual([200, 200, 200])
    await sleep(expiryMs(ofShort) + CLOCK_TOLERANCE_MS + 1_000 - Date.now())
    expect(await statusesOf(ofShort)).toEqual([401, 401, 401])
    expect(await statusesOf(ofLong)).toEqual([200, 200, 200])
  })

  it("end each other's tokens", async () => {
    for (const url of urls()) {
      const before = await Customer.register(system.apiUrl, newLogin())
      const other = await fetch(`${url}/api/user/logout?everywhere=true`, {
        method: "POST",
        headers: { authorization: before.authorization },
      })
      expect(other.status).toBe(204)
      await eventually("the token is refused everywhere", async () => {
        const { authorization } = before
        const asked = urls().map((apiUrl) => ask(apiUrl, "/api/user/balance", { authorization }))
        return (await Promise.all(asked)).every(({ status }) => status === 401)
      })
      const body = { login: before.login, password: `the password of ${before.login}` }
      const login = await fetch(`${url}/api/user/login`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      })
      const authorization = login.headers.get("authorization") ?? ""
      for (const apiUrl of urls()) {
        expect((await ask(apiUrl, "/api/user/balance", { authorization })).status).toBe(200)
      }
    }
  })
})

/** When the customer's token expires, in milliseconds since 1970. */
function expiryMs({ authorization }: Customer): number {
  const [, payload = ""] = authorization.split(".")
  const { exp } = JSON.parse(Buffer.from(payload, "base64url").toString()) as { exp: number }
  return exp * 1_000
}
