import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { newLogin } from "../harness/numbers.ts"
import { expectProblem } from "../harness/problem.ts"
import { joinSharedSystem } from "../harness/shared-system.ts"
import { startSystem, type System } from "../harness/system.ts"

const PASSWORD = "a good password"

let addresses = 0
/** An address that nobody has attempted anything from. */
function newAddress(): string {
  addresses += 1
  return `198.51.${Math.floor(addresses / 250)}.${(addresses % 250) + 1}`
}

/** Asks an instance to log somebody in, or to register, as if through a proxy from `address`. */
function post(apiUrl: string, path: string, body: object, address?: string): Promise<Response> {
  return fetch(`${apiUrl}/api/user/${path}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(address === undefined ? {} : { "x-forwarded-for": address }),
    },
    body: JSON.stringify(body),
  })
}

async function registerUser(apiUrl: string): Promise<string> {
  const login = newLogin()
  const response = await post(apiUrl, "register", { login, password: PASSWORD }, newAddress())
  expect(response.status).toBe(200)
  return login
}

const logIn = (apiUrl: string, login: string, password: string, address?: string) =>
  post(apiUrl, "login", { login, password }, address)

/** The status of each of several failing logins, one after the other. */
async function fail(
  apiUrl: string,
  login: string,
  times: number,
  address?: string,
): Promise<number[]> {
  const statuses: number[] = []
  for (let i = 0; i < times; i++) {
    statuses.push((await logIn(apiUrl, login, "a wrong password", address)).status)
  }
  return statuses
}

/** How many there are of each status. */
function tally(statuses: number[]): Record<number, number> {
  const groups = Object.entries(Object.groupBy(statuses, (status) => status))
  return Object.fromEntries(groups.map(([status, group]) => [status, group?.length ?? 0]))
}

const times = (count: number, status: number) => Array.from({ length: count }, () => status)

let system: System
let secondUrl: string
beforeAll(async () => {
  const env = {
    TRUSTED_PROXIES: "127.0.0.1",
    // Every user is registered from an address of its own, unless the test is about that.
    REGISTRATIONS_PER_ADDRESS_MAX: "5",
    // More at once than may fail.
    LOGINS_AT_ONCE_PER_ADDRESS_MAX: "150",
  }
  system = await startSystem({ backend: "postgresql", workers: 0, env })
  secondUrl = (await system.addApi()).details["url"] ?? ""
})
afterAll(() => system.close())

describe("failed logins", () => {
  it("are ten, then 429 even with the right password, and when to come back is told", async () => {
    const login = await registerUser(system.apiUrl)
    const address = newAddress()
    expect(await fail(system.apiUrl, login, 10, address)).toEqual(times(10, 401))
    for (const password of ["a wrong password", PASSWORD]) {
      const refused = await logIn(system.apiUrl, login, password, address)
      await expectProblem(refused, 429, "too_many_attempts")
      expect(refused.headers.get("ratelimit-policy")).toBe('"login";q=10;w=600')
      const [, left] = /^"login";r=0;t=(\d+)$/.exec(refused.headers.get("ratelimit") ?? "") ?? []
      expect(Number(left)).toBeGreaterThan(540)
      expect(Number(left)).toBeLessThanOrEqual(600)
      expect(refused.headers.get("retry-after")).toBe(left)
      expect(refused.headers.get("authorization")).toBeNull()
      expect(refused.headers.getSetCookie()).toEqual([])
    }
  })

  it("tell how many are left, also with the answer to one that succeeds", async () => {
    const login = await registerUser(system.apiUrl)
    const address = newAddress()
    const left = async (password: string) => {
      const { headers } = await logIn(system.apiUrl, login, password, address)
      expect(headers.get("ratelimit-policy")).toBe('"login";q=10;w=600')
      expect(headers.get("retry-after")).toBeNull()
      return headers.get("ratelimit")?.replace(/t=\d+$/, "t")
    }
    expect(await left(PASSWORD)).toBe('"login";r=10;t')
    expect(await left("a wrong password")).toBe('"login";r=9;t')
    expect(await left(PASSWORD)).toBe('"login";r=9;t')
    expect(await left("a wrong password")).toBe('"login";r=8;t')
  })

  it("lock nobody out at another address", async () => {
    const login = await registerUser(system.apiUrl)
    await fail(system.apiUrl, login, 12, newAddress())
    expect((await logIn(system.apiUrl, login, PASSWORD, newAddress())).status).toBe(200)
  })

  it("are no more at once than one after the other", async () => {
    const login = await registerUser(system.apiUrl)
    const address = newAddress()
    const attempts = Array.from({ length: 30 }, () =>
      logIn(system.apiUrl, login, "a wrong password", address),
    )
    const statuses = (await Promise.all(attempts)).map(({ status }) => status)
    expect(tally(statuses)).toEqual({ 401: 10, 429: 20 })
  })

  it("are counted over all instances, also at once", async () => {
    const login = await registerUser(system.apiUrl)
    const address = newAddress()
    const attempts = Array.from({ length: 30 }, (_, i) =>
      logIn(i % 2 === 0 ? system.apiUrl : secondUrl, login, "a wrong password", address),
    )
    const statuses = (await Promise.all(attempts)).map(({ status }) => status)
    expect(tally(statuses)).toEqual({ 401: 10, 429: 20 })
    expect((await logIn(secondUrl, login, PASSWORD, address)).status).toBe(429)
    expect((await logIn(system.apiUrl, login, PASSWORD, address)).status).toBe(429)
  })

  it("are not those that succeed, however many there are in a row", async () => {
    const login = await registerUser(system.apiUrl)
    const address = newAddress()
    await fail(system.apiUrl, login, 9, address)
    for (let i = 0; i < 30; i++) {
      expect((await logIn(system.apiUrl, login, PASSWORD, address)).status).toBe(200)
    }
    expect(await fail(system.apiUrl, login, 2, address)).toEqual([401, 429])
  })

  it("are not those that succeed, however many there are at once", async () => {
    const login = await registerUser(system.apiUrl)
    const address = newAddress()
    const attempts = Array.from({ length: 30 }, () =>
      logIn(system.apiUrl, login, PASSWORD, address),
    )
    const statuses = (await Promise.all(attempts)).map(({ status }) => status)
    expect(tally(statuses)).toEqual({ 200: 30 })
    expect(await fail(system.apiUrl, login, 11, address)).toEqual([...times(10, 401), 429])
  })

  it("do not hinder those that succeed at the same time, while there are less than ten", async () => {
    const login = await registerUser(system.apiUrl)
    const address = newAddress()
    const passwords = Array.from({ length: 27 }, (_, i) =>
      i % 3 === 0 ? "a wrong password" : PASSWORD,
    )
    const attempts = passwords.map((password) => logIn(system.apiUrl, login, password, address))
    const statuses = (await Promise.all(attempts)).map(({ status }) => status)
    expect(tally(statuses)).toEqual({ 200: 18, 401: 9 })
  })

  it("are a hundred per address, whoever they are for", async () => {
    const login = await registerUser(system.apiUrl)
    const address = newAddress()
    const attempts = Array.from({ length: 120 }, () =>
      logIn(system.apiUrl, newLogin(), "a wrong password", address),
    )
    const responses = await Promise.all(attempts)
    expect(tally(responses.map(({ status }) => status))).toEqual({ 401: 100, 429: 20 })
    const refused = await logIn(system.apiUrl, login, PASSWORD, address)
    await expectProblem(refused, 429, "too_many_attempts")
    expect(refused.headers.get("ratelimit-policy")).toBe('"address";q=100;w=600')
    expect((await logIn(system.apiUrl, login, PASSWORD, newAddress())).status).toBe(200)
  })

  it("count for the /64 of an IPv6 address, however the proxy writes it", async () => {
    const login = await registerUser(system.apiUrl)
    await fail(system.apiUrl, login, 5, "2001:db8:7:7::1")
    await fail(system.apiUrl, login, 5, "[2001:db8:7:7::2]:4000")
    const at = async (address: string) =>
      (await logIn(system.apiUrl, login, PASSWORD, address)).status
    expect(await at("2001:db8:7:7:ffff:ffff:ffff:ffff")).toBe(429)
    expect(await at("[2001:db8:7:7::3]")).toBe(429)
    expect(await at("2001:db8:7:8::1")).toBe(200)
  })

  it("count for an IPv4 address, however the proxy writes it", async () => {
    const login = await registerUser(system.apiUrl)
    const address = newAddress()
    await fail(system.apiUrl, login, 5, address)
    await fail(system.apiUrl, login, 5, `${address}:4000`)
    const forms = [`${address}:4001`, `::ffff:${address}`, `64:ff9b::${address}`]
    // What the client has forged before it is as little use as ever.
    for (const form of [...forms, `[64:ff9b::${address}]:4002`, `192.0.2.1:80, ${address}:4003`]) {
      const { status } = await logIn(system.apiUrl, login, PASSWORD, form)
      expect({ form, status }).toEqual({ form, status: 429 })
    }
    const { status } = await logIn(system.apiUrl, login, PASSWORD, `${newAddress()}:4000`)
    expect(status).toBe(200)
  })

  it("count for a proxy where it forwards no address, which is logged once", async () => {
    const login = await registerUser(system.apiUrl)
    await fail(system.apiUrl, login, 5, "unknown")
    await fail(system.apiUrl, login, 5, `${newAddress()}:http`)
    for (const address of ["_hidden", undefined, "127.0.0.1"]) {
      expect((await logIn(system.apiUrl, login, PASSWORD, address)).status).toBe(429)
    }
    const lines = (await system.logs()).split("\n").filter((line) => line.includes("no address"))
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ level: 40, forwarded: "unknown", proxy: "127.0.0.1" }),
    ])
  })

  it("are each a line in the log: who and from where, and no secret", async () => {
    const login = await registerUser(system.apiUrl)
    const address = newAddress()
    await logIn(system.apiUrl, login, "a wrong password", `${address}:4000`)
    await logIn(system.apiUrl, "hunter2 as a login", "a wrong password", address)
    await logIn(system.apiUrl, login, PASSWORD, address)
    const user = await system.database.client.user.findUnique({ where: { login } })
    const logs = await system.logs()
    const lines = logs.split("\n").filter((line) => line.includes(`"${address}"`))
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ level: 30, msg: "a login failed", userId: String(user?.id) }),
      expect.objectContaining({
        level: 30,
        msg: "a login failed",
        unknownLogin: expect.any(String),
      }),
    ])
    expect(logs).not.toMatch(/hunter2|a wrong password/)
  })

  it("keep no login that can be read, as people type passwords there", async () => {
    const secret = "hunter2 is my password"
    await logIn(system.apiUrl, secret, "a wrong password", newAddress())
    const keys = await system.database.client.throttle.findMany({ select: { key: true } })
    expect(keys.length).toBeGreaterThan(0)
    expect(JSON.stringify(keys)).not.toContain("hunter2")
  })

  it("cost the database nothing more once they are refused", async () => {
    const login = newLogin()
    const address = newAddress()
    await fail(system.apiUrl, login, 11, address)
    const rows = () => system.database.client.$queryRaw`
      SELECT key, points, xmin::text FROM throttles ORDER BY key`
    const before = await rows()
    expect(await fail(system.apiUrl, login, 20, address)).toEqual(times(20, 429))
    expect(await rows()).toEqual(before)
  })

  it("are not counted while the body is malformed, nor hashed", async () => {
    const address = newAddress()
    for (let i = 0; i < 12; i++) {
      const response = await post(system.apiUrl, "login", { login: "", password: "x" }, address)
      expect(response.status).toBe(400)
    }
    expect(await fail(system.apiUrl, newLogin(), 1, address)).toEqual([401])
  })

  it("are not attempted while they cannot be counted", async () => {
    const login = await registerUser(system.apiUrl)
    const { client } = system.database
    await client.$executeRaw`
      CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql
      AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END $$`
    await client.$executeRaw`
      CREATE TRIGGER no_room BEFORE INSERT ON throttles EXECUTE FUNCTION no_room()`
    try {
      const response = await logIn(system.apiUrl, login, PASSWORD, newAddress())
      await expectProblem(response, 503, "unavailable")
      expect(response.headers.get("authorization")).toBeNull()
    } finally {
      await client.$executeRaw`DROP TRIGGER no_room ON throttles`
    }
    expect((await logIn(system.apiUrl, login, PASSWORD, newAddress())).status).toBe(200)
  })
})

describe("without a trusted proxy", () => {
  it("a forged X-Forwarded-For does not help whoever guesses, in any form", async () => {
    const { apiUrl } = await joinSharedSystem()
    const login = await registerUser(apiUrl)
    const statuses: number[] = []
    const forms = ["198.51.100.1", "198.51.100.2:4000", "[2001:db8::1]:4000", "2001:db8:1::1"]
    for (let i = 0; i < 12; i++) {
      statuses.push(...(await fail(apiUrl, login, 1, forms[i % forms.length])))
    }
    expect(statuses).toEqual([...times(10, 401), 429, 429])
  })
})

describe("registrations", () => {
  const register = (login: string, address: string) =>
    post(system.apiUrl, "register", { login, password: PASSWORD }, address)

  it("are limited per address, also at once; elsewhere they go on", async () => {
    const address = newAddress()
    const attempts = Array.from({ length: 12 }, () => register(newLogin(), address))
    const statuses = (await Promise.all(attempts)).map(({ status }) => status)
    expect(tally(statuses)).toEqual({ 200: 5, 429: 7 })
    const refused = await register(newLogin(), address)
    await expectProblem(refused, 429, "too_many_registrations")
    expect(refused.headers.get("ratelimit-policy")).toBe('"registrations";q=5;w=600')
    expect(refused.headers.get("ratelimit")).toMatch(/^"registrations";r=0;t=\d+$/)
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0)
    expect((await register(newLogin(), newAddress())).status).toBe(200)
  })

  it("are limited per IPv6 network, fourfold per /56, and sixteenfold per /48", async () => {
    const homes = Array.from({ length: 4 }, (_, i) => `2001:db8:56:100${i}::1`)
    const attempts = homes.flatMap((address) =>
      Array.from({ length: 5 }, () => register(newLogin(), address)),
    )
    const statuses = (await Promise.all(attempts)).map(({ status }) => status)
    expect(tally(statuses)).toEqual({ 200: 20 })
    const expectRefused = async (address: string, policy: string) => {
      const refused = await register(newLogin(), address)
      await expectProblem(refused, 429, "too_many_registrations")
      expect(refused.headers.get("ratelimit-policy")).toBe(policy)
    }
    await expectRefused("2001:db8:56:10ff::1", '"registrations-site";q=20;w=600')
    expect((await register(newLogin(), "2001:db8:56:1100::1")).status).toBe(200)

    const key = "registrations-block:2001:db8:56::/48"
    await system.database.client.throttle.update({ where: { key }, data: { points: 80 } })
    await expectRefused("2001:db8:56:1200::1", '"registrations-block";q=80;w=600')
    expect((await register(newLogin(), "2001:db8:57::1")).status).toBe(200)
  })

  it("count when they made a user, and not when the login was taken or malformed", async () => {
    const address = newAddress()
    const login = newLogin()
    const race = await Promise.all(Array.from({ length: 20 }, () => register(login, address)))
    expect(tally(race.map(({ status }) => status))).toEqual({ 200: 1, 409: 19 })
    for (let i = 0; i < 7; i++) {
      await expectProblem(await register(login, address), 409, "login_taken")
      await expectProblem(await register("", address), 400, "malformed_request")
    }
    const fourth = await register(newLogin(), address)
    expect(fourth.status).toBe(200)
    expect(fourth.headers.get("ratelimit")).toMatch(/^"registrations";r=3;t=\d+$/)
  })
})

describe("logins at once", () => {
  it("are so many from one address; one more is refused without a look, and not counted", async () => {
    const { details } = await system.addApi({ LOGINS_AT_ONCE_PER_ADDRESS_MAX: "2" })
    const apiUrl = details["url"] ?? ""
    const login = await registerUser(apiUrl)
    const at = (address: string) => logIn(apiUrl, login, PASSWORD, address)
    const home = Array.from({ length: 10 }, (_, i) => `2001:db8:57:100${i}::1`)
    for (const clients of [home.map(() => "192.0.2.57"), home]) {
      const answers = await Promise.all(clients.map(at))
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 429]))
      const refused = answers.find(({ status }) => status === 429) ?? Response.error()
      await expectProblem(refused, 429, "too_many_at_once")
      expect(refused.headers.get("ratelimit-policy")).toBe('"at-once";q=2')
      expect(refused.headers.get("retry-after")).toBe("1")
      const [address = ""] = clients
      expect((await at(address)).headers.get("ratelimit")).toMatch(/^"login";r=10;/)
    }
  })
})

describe("a login that was blocked", () => {
  const WINDOW_MS = 2_000

  it("may be tried again after the time that was told, as often as before", async () => {
    const settings = { THROTTLE_WINDOW: `${WINDOW_MS}ms`, LOGIN_FAILURES_MAX: "3" }
    const { details } = await system.addApi(settings)
    const apiUrl = details["url"] ?? ""
    const login = await registerUser(apiUrl)
    const address = newAddress()
    for (let round = 0; round < 2; round++) {
      expect(await fail(apiUrl, login, 3, address)).toEqual(times(3, 401))
      const refused = await logIn(apiUrl, login, PASSWORD, address)
      expect(refused.status).toBe(429)
      await sleep(Number(refused.headers.get("retry-after")) * 1_000)
    }
    expect((await logIn(apiUrl, login, PASSWORD, address)).status).toBe(200)
    expect(await fail(apiUrl, login, 4, address)).toEqual([...times(3, 401), 429])
  })
})
