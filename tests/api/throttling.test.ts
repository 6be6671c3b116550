import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { newLogin } from "../harness/numbers.ts"
import { expectProblem } from "../harness/problem.ts"
import { startSystem, type System } from "../harness/system.ts"

const PASSWORD = "a good password"
const PROXY = { TRUSTED_PROXIES: "127.0.0.1" }

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

describe("failed logins", () => {
  let system: System
  let secondUrl: string
  beforeAll(async () => {
    system = await startSystem({ backend: "postgresql", workers: 0, env: PROXY })
    secondUrl = (await system.addApi()).details["url"] ?? ""
  })
  afterAll(() => system.close())

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

  it("count for the /64 of an IPv6 address, and for the IPv4 address inside one", async () => {
    const login = await registerUser(system.apiUrl)
    await fail(system.apiUrl, login, 10, "2001:db8:7:7::1")
    const at = async (address: string) =>
      (await logIn(system.apiUrl, login, PASSWORD, address)).status
    expect(await at("2001:db8:7:7:ffff:ffff:ffff:ffff")).toBe(429)
    expect(await at("2001:db8:7:8::1")).toBe(200)

    const ipv4 = newAddress()
    await fail(system.apiUrl, login, 10, ipv4)
    expect(await at(`::ffff:${ipv4}`)).toBe(429)
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
  let system: System
  beforeAll(async () => {
    system = await startSystem({ backend: "postgresql", workers: 0 })
  })
  afterAll(() => system.close())

  it("a forged X-Forwarded-For does not help whoever guesses", async () => {
    const login = await registerUser(system.apiUrl)
    const statuses: number[] = []
    for (let i = 0; i < 12; i++) {
      statuses.push(...(await fail(system.apiUrl, login, 1, newAddress())))
    }
    expect(statuses).toEqual([...times(10, 401), 429, 429])
  })
})

describe("registrations", () => {
  let system: System
  beforeAll(async () => {
    const env = { ...PROXY, REGISTRATIONS_PER_ADDRESS_MAX: "5" }
    system = await startSystem({ backend: "postgresql", workers: 0, env })
  })
  afterAll(() => system.close())

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

describe("a login that was blocked", () => {
  const WINDOW_MS = 2_000
  let system: System
  beforeAll(async () => {
    const env = { ...PROXY, THROTTLE_WINDOW: `${WINDOW_MS}ms`, LOGIN_FAILURES_MAX: "3" }
    system = await startSystem({ backend: "postgresql", workers: 0, env })
  })
  afterAll(() => system.close())

  it("may be tried again after the time that was told, as often as before", async () => {
    const login = await registerUser(system.apiUrl)
    const address = newAddress()
    for (let round = 0; round < 2; round++) {
      expect(await fail(system.apiUrl, login, 3, address)).toEqual(times(3, 401))
      const refused = await logIn(system.apiUrl, login, PASSWORD, address)
      expect(refused.status).toBe(429)
      await sleep(Number(refused.headers.get("retry-after")) * 1_000)
    }
    expect((await logIn(system.apiUrl, login, PASSWORD, address)).status).toBe(200)
    expect(await fail(system.apiUrl, login, 4, address)).toEqual([...times(3, 401), 429])
  })
})
