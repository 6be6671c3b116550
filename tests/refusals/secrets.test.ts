import { randomBytes } from "node:crypto"
import { REASONS } from "@gofermart/shared/readiness/reasons.ts"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { eventually } from "../harness/eventually.ts"
import { newLogin, newNumber } from "../harness/numbers.ts"
import { TEST_KEY } from "../harness/settings.ts"
import { startSystem, type System } from "../harness/system.ts"
import { type FaultProxy, startFaultProxy } from "../harness/fault-proxy.ts"
import { type HeaderFields, sendCredentials, sendJson } from "./requests.ts"
import { expectRefused, expectStatus, note, printTable } from "./table.ts"

const JSON_TYPE = "application/json"
/** What only somebody inside could know, or a stack trace. */
const INSIDE = /postgres|prisma|sql|ECONN|EPIPE|127\.0\.0\.1|node:|\.ts|select|throttle|at Object/i

/** A secret that is found wherever it stands. */
const newSecret = (what: string) => `${what}-${randomBytes(12).toString("hex")}`

describe("when the database is away, and in the logs", () => {
  let system: System
  let proxy: FaultProxy
  let apiUrl: string
  let operatorsUrl: string
  const role = `role_${randomBytes(6).toString("hex")}`
  const databasePassword = newSecret("database")
  const operatorsPassword = newSecret("operators")
  beforeAll(async () => {
    const env = { LOG_LEVEL: "trace", OPERATORS_PASSWORD: operatorsPassword }
    system = await startSystem({ backend: "postgresql", env })
    await system.database.client.$executeRawUnsafe(`CREATE ROLE ${role} SUPERUSER LOGIN`)
    await setPassword(databasePassword)
    const url = new URL(system.database.url)
    url.username = role
    url.password = databasePassword
    proxy = await startFaultProxy(url.href)
    const api = await system.addApi({ DATABASE_URL: proxy.url, QUEUE_URL: proxy.url })
    apiUrl = api.details["url"] ?? ""
    operatorsUrl = api.details["operatorsUrl"] ?? ""
  })
  afterAll(async () => {
    printTable()
    await system.close()
    await proxy.close()
  })

  const setPassword = (given: string) =>
    system.database.client.$executeRawUnsafe(`ALTER ROLE ${role} PASSWORD '${given}'`)
  const register = async (login: string, password: string) => {
    const response = await sendCredentials(apiUrl, "register", login, password)
    expect(response.status).toBe(200)
    return response.headers.get("authorization")?.replace("Bearer ", "") ?? ""
  }
  const send = (
    [method = "", path = "", type, body]: string[],
    headers: HeaderFields,
  ): Promise<Response> =>
    fetch(`${apiUrl}/api/user/${path}`, {
      method,
      headers: { ...headers, ...(type === undefined ? {} : { "content-type": type }) },
      ...(body === undefined ? {} : { body }),
    })
  const everything = (login: string, password: string): string[][] => [
    ["POST", "register", JSON_TYPE, JSON.stringify({ login: newLogin(), password })],
    ["POST", "login", JSON_TYPE, JSON.stringify({ login, password })],
    ["POST", "orders", "text/plain", newNumber()],
    ["GET", "orders"],
    ["GET", "orders?limit=1"],
    ["GET", "orders/18"],
    ["GET", "balance"],
    ["POST", "balance/withdraw", JSON_TYPE, JSON.stringify({ order: newNumber(), sum: 1 })],
    ["GET", "withdrawals"],
    ["GET", "transactions"],
    ["GET", "events"],
    ["POST", "logout?everywhere=true"],
    ["PUT", "password", JSON_TYPE, JSON.stringify({ password, new_password: `${password}!` })],
  ]
  const recovers = () =>
    eventually("the API is ready again", async () => (await fetch(`${apiUrl}/readyz`)).ok)

  it("row 20: database away: 503, generic body, nothing leaked", async () => {
    const [login, password] = [newLogin(), newSecret("password")]
    const authorization = `Bearer ${await register(login, password)}`
    const expectUnavailable = async (how: string, request: string[]) => {
      const response = await send(request, { authorization })
      const body = await response.clone().text()
      const what = `${request[0]} ${request[1]}, ${how}`
      await expectRefused(20, what, response, 503, "unavailable")
      expect.soft(Number(response.headers.get("retry-after")), what).toBeGreaterThan(0)
      expect.soft(response.headers.get("authorization"), what).toBeNull()
      expect.soft(body, what).not.toMatch(INSIDE)
      const secrets = [databasePassword, new URL(proxy.url).port, new URL(proxy.url).username]
      for (const secret of secrets) expect.soft(body, what).not.toContain(secret)
    }

    await proxy.cut()
    for (const request of everything(login, password)) await expectUnavailable("cut", request)
    expectStatus(20, "GET /healthz, cut", await fetch(`${apiUrl}/healthz`), 200)
    const ready = await eventually("the API is not ready", async () => {
      const answer = await fetch(`${apiUrl}/readyz`)
      return answer.status === 503 && answer
    })
    expectStatus(20, "GET /readyz, cut", ready, 503)
    expect(await ready.json()).toMatchObject({
      database: "unavailable",
      database_reason: REASONS.unreachable,
    })

    await proxy.silence()
    const all = everything(login, password)
    await Promise.all(all.map((request) => expectUnavailable("silent", request)))

    await proxy.mend()
    await recovers()
    const balance = await send(["GET", "balance"], { authorization })
    expectStatus(20, "GET balance, mended", balance, 200)
    expect((await sendCredentials(apiUrl, "login", login, password)).status).toBe(200)
  })

  it("row 21: passwords, tokens, cookies, connection strings in logs at any level", async () => {
    const secrets: Record<string, string> = {
      "the key that signs": TEST_KEY,
      "the database's password": databasePassword,
      "a connection string": proxy.url,
      "the queue's connection string": system.queueUrl,
      "its password": new URL(system.queueUrl).password,
      "the operators' password": operatorsPassword,
      "the operators' credentials": Buffer.from(`operator:${operatorsPassword}`).toString("base64"),
    }
    const secret = (what: string) => (secrets[what] = newSecret(what.replaceAll(/\W/g, "-")))
    const login = newLogin()
    const password = secret("a password")
    const token = await register(login, password)
    secrets["a token"] = token
    secrets["a token's signature"] = token.split(".")[2] ?? ""

    secrets["a cookie"] = await requestAllWays(login, password, token, secret)
    await proxy.cut()
    for (const request of everything(login, password)) {
      await send(request, { authorization: `Bearer ${token}` })
      await send(request, { cookie: `gofermart=${token}` })
    }
    await proxy.mend()
    await recovers()
    // Of this user's connections, so of those that go by the proxy, and of everybody's.
    await system.database.client.$executeRaw`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid()`
    await recovers()
    // One that is refused before it was ready ends, and says in words that it was.
    const wrong = new URL(proxy.url)
    wrong.password = secret("a wrong database password")
    const refused = system.addApi({ DATABASE_URL: wrong.href })
    await expect(refused).rejects.toThrow("ended with 78")
    // One that was ready goes on, and asks again with its own.
    await setPassword(secret("another database password"))
    await system.database.client.$executeRaw`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ${role}`
    await eventually("the API is not ready", async () => !(await fetch(`${apiUrl}/readyz`)).ok)
    await sendCredentials(apiUrl, "login", login, password)
    await setPassword(databasePassword)
    await recovers()
    for (const name of ["DATABASE_URL", "QUEUE_URL", "AUTH_KEYS", "RUN_ADDRESS"]) {
      const broken = `mysql://user:${secret(`a malformed ${name}`)}@host/name`
      await expect(system.addApi({ [name]: broken })).rejects.toThrow("ended with 78")
    }

    // It is the log of all of this, with what may be in it.
    const logs = await system.logs()
    const known = ['"/api/user/login"', '"/api/user/password"', '"request-of-row-21"', '"level":20']
    for (const text of [...known, "the database is not available", "AUTH_KEYS must be"]) {
      expect(logs).toContain(text)
    }
    for (const [what, text] of Object.entries(secrets)) {
      expect(text.length).toBeGreaterThanOrEqual(12)
      const line = logs.split("\n").find((candidate) => candidate.includes(text))
      note(21, what, line === undefined ? "absent" : "LOGGED")
      expect.soft({ what, line }).toEqual({ what, line: undefined })
    }
  })

  /** Sends secrets in every place where a client may put them, rightly or not; gives a cookie. */
  const requestAllWays = async (
    login: string,
    password: string,
    token: string,
    secret: (what: string) => string,
  ) => {
    const bearer = { authorization: `Bearer ${token}` }
    const json = (path: string, body: unknown, headers: HeaderFields = {}, method = "POST") =>
      sendJson(method, `${apiUrl}/api/user/${path}`, body, headers)
    const marked = { "x-request-id": "request-of-row-21" }
    await json("login", { login, password: secret("a wrong password") }, marked)
    await json("login", { login: secret("a password as login"), password })
    await json("login", `{"login":"${login}","password":"${secret("of broken JSON")}"`)
    await json("login", `login=a&password=${secret("of a form")}`)
    await json("register", {
      login,
      password: { [secret("a key")]: secret("an object's password") },
    })
    await json("register", { login, password: secret("of a taken login") })
    await json("register", {
      login: newLogin(),
      password: `${secret("a long one")}${"x".repeat(300)}`,
    })
    await json(`login?password=${secret("in the query")}`, { login, password })
    await fetch(`${apiUrl}/api/${secret("in a path")}?access_token=${token}`)
    for (const headers of [bearer, { cookie: `gofermart=${token}` }] as HeaderFields[]) {
      for (const path of ["balance", "orders", "transactions"]) await send(["GET", path], headers)
    }
    await send(["GET", "balance"], { authorization: `Bearer ${secret("no token")}` })
    await send(["GET", "balance"], { authorization: `Basic ${secret("Basic credentials")}` })
    await send(["GET", "balance"], { cookie: `gofermart=${secret("no token of a cookie")}` })
    await send(["GET", "balance"], { ...bearer, cookie: `session=${secret("another's cookie")}` })
    for (const given of [operatorsPassword, secret("no operators' password")]) {
      const credentials = Buffer.from(`operator:${given}`).toString("base64")
      await fetch(operatorsUrl, { headers: { authorization: `Basic ${credentials}` } })
    }
    const wrong = { password: secret("no present password"), new_password: secret("a refused one") }
    expect((await json("password", wrong, bearer, "PUT")).status).toBe(403)
    const change = { password, new_password: secret("a new password") }
    const changed = await json("password", change, bearer, "PUT")
    expect(changed.status).toBe(200)
    const cookie = changed.headers.getSetCookie()[0]?.split(/[=;]/)[1] ?? ""
    expect(cookie.length).toBeGreaterThan(100)
    const logout = ["POST", "logout?everywhere=true"]
    expect((await send(logout, { cookie: `gofermart=${cookie}` })).status).toBe(204)
    return cookie
  }
})
