import { networkInterfaces } from "node:os"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import { joinSharedSystem, type SharedSystem } from "../harness/shared-system.ts"
import { type HeaderFields, sendJson, sendRaw } from "./requests.ts"
import { expectRefused, expectStatus, note, printTable } from "./table.ts"

const PASSWORD = "an operator's password"
const EVIL = "http://evil.example"

const basic = (login: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${login}:${password}`).toString("base64")}`,
})

describe("what is for operators only", () => {
  let system: SharedSystem
  /** Its operators have a password, and a proxy says where they are. */
  let guardedUrl: string
  beforeAll(async () => {
    system = await joinSharedSystem()
    const env = { OPERATORS_PASSWORD: PASSWORD, TRUSTED_PROXIES: "127.0.0.1" }
    const guarded = await system.addApi(env)
    guardedUrl = guarded.details["operatorsUrl"] ?? ""
  })
  afterAll(printTable)

  it("row 18: board, metrics from a public address or without credentials", async () => {
    const anna = await system.register()
    const paths = ["/", "/api/queues", "/queue/accrual", "/static/js/index.js", "/ui", "/metrics"]
    for (const path of [...paths, "/admin", "/board", "/admin/queues", "/debug/pprof"]) {
      const response = await fetch(`${system.apiUrl}${path}`)
      await expectRefused(18, `customers' listener: ${path}`, response, 404, "not_found")
      const { status } = await anna.request("GET", path)
      expect(status).toBe(404)
    }

    const wrong: Record<string, HeaderFields> = {
      "no credentials": {},
      "a wrong password": basic("operator", "a wrong password"),
      "a part of the password": basic("operator", PASSWORD.slice(0, -1)),
      "an empty password": basic("operator", ""),
      "another login": basic("root", PASSWORD),
      "a customer's token": { authorization: anna.authorization },
      "half of Basic": { authorization: "Basic" },
      "Basic of rubbish": { authorization: "Basic %%%" },
    }
    for (const [i, [what, credentials]] of Object.entries(wrong).entries()) {
      // Each from an address that has not guessed too often.
      const headers = { ...credentials, "x-forwarded-for": `192.0.2.${i + 1}` }
      for (const path of ["/", "/api/queues", "/static/js/index.js", "/metrics", "/nothing"]) {
        const response = await fetch(`${guardedUrl}${path}`, { headers })
        expectStatus(18, `${what}: ${path}`, response, 401)
        expect(await response.text()).not.toMatch(/accrual|<html/i)
      }
      const pause = await fetch(`${guardedUrl}/api/queues/accrual/pause`, {
        method: "PUT",
        headers,
      })
      expectStatus(18, `${what}: pause`, pause, 401)
    }
    const right = { headers: basic("operator", PASSWORD) }
    expectStatus(18, "the right ones", await fetch(`${guardedUrl}/api/queues`, right), 200)

    await expectOnLoopbackOnly()
    await expectNoStart()
  })

  it("row 18: guesses at the password: 429 after ten, and a line in the log for each", async () => {
    const ask = (login: string, password: string, address: string) => {
      const headers = { ...basic(login, password), "x-forwarded-for": address }
      return fetch(`${guardedUrl}/metrics`, { headers })
    }
    // At once, so that none is let through while another one is being looked at.
    const guesses = Array.from({ length: 20 }, (_, i) =>
      ask(i % 2 === 0 ? "operator" : "hunter2 as a login", `guess ${i}`, "198.51.100.18:4000"),
    )
    const answers = await Promise.all(guesses)
    const statuses = answers.map(({ status }) => status).toSorted((a, b) => a - b)
    note(18, "20 guesses at once", `${statuses.filter((status) => status === 401).length} × 401`)
    expect(statuses).toEqual([...Array(10).fill(401), ...Array(10).fill(429)])
    const refused = await ask("operator", PASSWORD, "198.51.100.18")
    expectStatus(18, "then the right one", refused, 429)
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(540)
    expect(Number(refused.headers.get("retry-after"))).toBeLessThanOrEqual(600)
    expectStatus(
      18,
      "the right one, elsewhere",
      await ask("operator", PASSWORD, "198.51.100.19"),
      200,
    )

    const home = (i: number) => `2001:db8:18:10${String(i).padStart(2, "0")}::1`
    for (let i = 0; i < 40; i++) expect((await ask("operator", "", home(i))).status).toBe(401)
    expectStatus(18, "a home's 41st network", await ask("operator", PASSWORD, home(40)), 429)

    const logs = await system.ownLogs()
    const lines = logs.split("\n").filter((line) => line.includes('"198.51.100.18"'))
    expect(lines).toHaveLength(10)
    const line = { level: 40, msg: "an operator's login failed", address: "198.51.100.18" }
    for (const text of lines) {
      const login = expect.stringMatching(/^(operator|another)$/)
      expect(JSON.parse(text)).toMatchObject({ ...line, login })
    }
    expect(logs).not.toMatch(/hunter2|guess \d/)
  })

  /** Neither listener of the defaults answers on an address that others can reach. */
  const expectOnLoopbackOnly = async () => {
    const outside = Object.values(networkInterfaces())
      .flatMap((addresses = []) => addresses)
      .find(({ internal, family }) => !internal && family === "IPv4")
    if (outside === undefined) {
      note(18, "operators' listener by a public address", "there is none here")
      return
    }
    for (const operatorsUrl of [system.operatorsUrl, guardedUrl]) {
      const { port } = new URL(operatorsUrl)
      const reached = await fetch(`http://${outside.address}:${port}/`).then(
        ({ status }) => status,
        (error: Error) => (error.cause as { code?: string }).code,
      )
      note(18, "operators' listener by a public address", reached ?? "unreachable")
      expect(reached).toBe("ECONNREFUSED")
    }
  }

  const expectNoStart = async () => {
    for (const address of ["0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.org:0"]) {
      const started = await system.addApi({ OPERATORS_ADDRESS: address }).then(
        () => "started",
        ({ message }: Error) => /ended with (\d+)/.exec(message)?.[1] ?? message,
      )
      note(18, `OPERATORS_ADDRESS=${address} without a password`, `exit ${started}`)
      expect.soft({ address, started }).toEqual({ address, started: "78" })
    }
    expect(await system.ownLogs()).toContain("OPERATORS_PASSWORD must be set")
  }

  it("row 22: a header given twice: 400, also with the right password", async () => {
    const { authorization } = basic("operator", PASSWORD)
    const ask = async (url: string, lines: string[]) => {
      const head = ["GET /api/queues HTTP/1.1", "Connection: close", ...lines].join("\r\n")
      const { response } = await sendRaw(url, `${head}\r\n\r\n`)
      return response ?? Response.error()
    }
    const host = "Host: 127.0.0.1"
    const credentials = `Authorization: ${authorization}`
    const expectNamed = async (what: string, response: Response, name: string) => {
      expectStatus(22, `operators' listener: ${what}`, response, 400)
      expect(await response.json()).toEqual({ error: expect.stringContaining(` ${name} `) })
    }
    expectStatus(22, "once", await ask(guardedUrl, [host, credentials]), 200)
    for (const second of [credentials, "Authorization: Basic eDp5"]) {
      const response = await ask(guardedUrl, [host, credentials, second])
      await expectNamed("Authorization", response, "authorization")
      const backwards = await ask(guardedUrl, [host, second, credentials])
      await expectNamed("Authorization", backwards, "authorization")
    }
    for (const second of [host, "Host: evil.example"]) {
      await expectNamed("Host", await ask(system.operatorsUrl, [host, second]), "host")
    }
  })

  it("row 26: what Node would refuse by itself: said in words, before any credentials", async () => {
    const ask = (url: string, start: string, lines: string[]) =>
      sendRaw(url, `${[start, "Connection: close", ...lines].join("\r\n")}\r\n\r\n`)
    const get = "GET /metrics HTTP/1.1"
    const host = "Host: 127.0.0.1"
    const cases: Record<string, [start: string, lines: string[], status: number]> = {
      "Expect: foo": [get, [host, "Expect: foo"], 417],
      "Expect: 100-continue, foo": [get, [host, "Expect: 100-continue, foo"], 417],
      "two Expect": [get, [host, "Expect: 100-continue", "Expect: 100-continue"], 400],
      "no Host": [get, [], 400],
      "a joined Host": [get, ["Host: x, x"], 400],
      CONNECT: ["CONNECT example.com:443 HTTP/1.1", [host], 400],
      "a fragment": ["GET /metrics#x HTTP/1.1", [host], 400],
      "another transfer coding": [get, [host, "Transfer-Encoding: gzip, chunked"], 400],
    }
    for (const url of [system.operatorsUrl, guardedUrl]) {
      for (const [what, [start, lines, status]] of Object.entries(cases)) {
        const { response = Response.error(), answers } = await ask(url, start, lines)
        expectStatus(26, `operators' listener: ${what}`, response, status)
        const error = expect.stringMatching(/^[A-Z].+\.$/)
        expect
          .soft({ what, answers, said: await response.json() })
          .toEqual({ what, answers: 1, said: { error } })
      }
    }
    const scraped = await fetch(`${system.operatorsUrl}/metrics?x=1`)
    expectStatus(26, "operators' listener: /metrics?x=1", scraped, 200)
  })

  it("row 23: a number for the board that the queue cannot hold: 400", async () => {
    const numbers = ["1e309", "1e300", "9007199254740993", "-1", "0.5", '"5"']
    const bodies: Record<string, [method: string, path: string, body: (n: string) => string]> = {
      "a rate": ["PUT", "rate-limit", (n) => `{"max":${n},"duration":1000}`],
      "a window": ["PUT", "rate-limit", (n) => `{"max":5,"duration":${n}}`],
      "a concurrency": ["PUT", "concurrency", (n) => `{"concurrency":${n}}`],
      "a job's delay": ["POST", "add", (n) => `{"data":{},"options":{"delay":${n}}}`],
      "a job's time": ["POST", "add", (n) => `{"data":{},"options":{"timestamp":${n}}}`],
      "a job's priority": ["POST", "add", (n) => `{"data":{},"options":{"priority":${n}}}`],
      "a job's attempts": ["POST", "add", (n) => `{"data":{},"options":{"attempts":${n}}}`],
      "a job's backoff": ["POST", "add", (n) => `{"data":{},"options":{"backoff":${n}}}`],
      "a job's backoff's delay": [
        "POST",
        "add",
        (n) => `{"data":{},"options":{"backoff":{"type":"fixed","delay":${n}}}}`,
      ],
      "a job's deduplication": [
        "POST",
        "add",
        (n) => `{"data":{},"options":{"deduplication":{"id":"a","ttl":${n}}}}`,
      ],
      "a job's logs": ["POST", "add", (n) => `{"data":{},"options":{"keepLogs":${n}}}`],
      "jobs kept": ["POST", "add", (n) => `{"data":{},"options":{"removeOnFail":{"count":${n}}}}`],
      "an age kept": [
        "POST",
        "add",
        (n) => `{"data":{},"options":{"removeOnComplete":{"age":${n}}}}`,
      ],
      "another time": ["PATCH", "order-18/delay", (n) => `{"runAt":${n}}`],
      "another priority": ["PATCH", "order-18/priority", (n) => `{"priority":${n}}`],
    }
    for (const [what, [method, path, body]] of Object.entries(bodies)) {
      for (const number of numbers) {
        const url = `${system.operatorsUrl}/api/queues/accrual/${path}`
        const response = await sendJson(method, url, body(number))
        expectStatus(23, `board: ${what} of ${number}`, response, 400)
      }
    }
    const add = `${system.operatorsUrl}/api/queues/accrual/add`
    const jobs: Record<string, object> = {
      "an id of digits": { data: {}, options: { jobId: "18" } },
      "an id that is a number": { data: {}, options: { jobId: 18 } },
      "an id with a colon": { data: {}, options: { jobId: "a:b" } },
      "an id that is long": { data: {}, options: { jobId: "a".repeat(301) } },
      "an id with a NUL": { data: {}, options: { jobId: "a\u0000" } },
      "a backoff without bound": {
        data: {},
        options: { backoff: { type: "exponential", delay: 1 } },
      },
      "an option there is not": { data: {}, options: { repeat: { every: 1 } } },
      "data with a NUL": { data: { number: "a\u0000b" } },
      "data with half a character": { data: { number: "a\ud800" } },
    }
    for (const [what, job] of Object.entries(jobs)) {
      expectStatus(23, `board: a job with ${what}`, await sendJson("POST", add, job), 400)
    }
    const deep = `{"data":${"[".repeat(20_000)}${"]".repeat(20_000)}}`
    expectStatus(23, "board: a job as deep as fits", await sendJson("POST", add, deep), 400)
    const order = newNumber()
    const added = { data: { number: order, polls: 0 }, options: { jobId: `o-${order}` } }
    await sendJson("POST", add, added)
    const job = `${system.operatorsUrl}/api/queues/accrual/o-${order}`
    const promoted = await fetch(`${job}/promote`, { method: "PUT" })
    await fetch(`${job}/clean`, { method: "PUT" })
    expectStatus(23, "board: promote a job that is not delayed", promoted, 409)
    const nul = `${system.operatorsUrl}/api/queues/accrual/a%00b`
    expectStatus(23, "board: a job whose id has a NUL", await fetch(nul), 400)
    for (const number of ["Infinity", "1e309", "1e15", "9".repeat(20), "0x10", "1e1", "", "-1"]) {
      for (const name of ["page", "jobsPerPage"]) {
        const query = `activeQueue=accrual&status=waiting&${name}=${number}`
        const response = await fetch(`${system.operatorsUrl}/api/queues?${query}`)
        expectStatus(23, `board: ${name}=${number}`, response, 400)
      }
    }
    const last = "activeQueue=accrual&status=waiting&page=999999&jobsPerPage=1000"
    const response = await fetch(`${system.operatorsUrl}/api/queues?${last}`)
    expectStatus(23, "board: the last page there may be", response, 200)
  })

  it("row 24: framed, run or guessed by a browser: headers on every answer", async () => {
    const page = "default-src 'none'; script-src 'self'"
    const asked: [url: string, path: string, policy: string][] = [
      [system.operatorsUrl, "/", page],
      [system.operatorsUrl, "/queue/accrual", page],
      [system.operatorsUrl, "/api/queues", "default-src 'none';"],
      [system.operatorsUrl, "/metrics", "default-src 'none';"],
      [system.operatorsUrl, "/orders/18", "default-src 'none';"],
      [system.operatorsUrl, "/nothing", "default-src 'none';"],
      [guardedUrl, "/", "default-src 'none';"],
    ]
    for (const [url, path, policy] of asked) {
      const { status, headers } = await fetch(`${url}${path}`)
      note(24, path, status)
      const sent = {
        path,
        policy: headers.get("content-security-policy"),
        frames: headers.get("x-frame-options"),
        types: headers.get("x-content-type-options"),
        referrer: headers.get("referrer-policy"),
      }
      expect.soft(sent).toEqual({
        path,
        policy: expect.stringContaining(policy),
        frames: "SAMEORIGIN",
        types: "nosniff",
        referrer: "no-referrer",
      })
      expect.soft(sent.policy).toMatch(/frame-ancestors 'none'$/)
    }
  })

  it("logs each action of an operator, with who did what", async () => {
    const number = newNumber()
    const act = async (method: string, path: string, body?: object) => {
      const url = `${guardedUrl}/api/queues/${path}`
      const headers = basic("operator", PASSWORD)
      return sendJson(method, url, body ?? {}, headers)
    }
    const options = { jobId: `order-${number}` }
    await act("POST", "accrual/add", { data: { number, polls: 0 }, options })
    await act("PUT", `accrual/order-${number}/clean`)
    await act("PUT", "accrual/promote")
    await act("PUT", "accrual/rate-limit", { max: 1.5, "\u202e": "\u009b" })
    const withoutCredentials = { method: "PUT" }
    await fetch(`${guardedUrl}/api/queues/accrual/promote`, withoutCredentials)
    await fetch(`${guardedUrl}/api/queues`, { headers: basic("operator", PASSWORD) })
    const told = await eventually("the actions are logged", async () => {
      const lines = (await system.ownLogs()).split("\n").filter((line) => /"action"/.test(line))
      return lines.length >= 4 && lines.map((line) => JSON.parse(line) as object)
    })
    const who = { level: 30, operator: "operator", address: "127.0.0.1" }
    expect(told).toEqual([
      expect.objectContaining({
        ...who,
        action: "POST /api/queues/accrual/add",
        given: expect.stringContaining(number),
        status: 200,
      }),
      expect.objectContaining({
        ...who,
        action: `PUT /api/queues/accrual/order-${number}/clean`,
        status: 204,
      }),
      expect.objectContaining({ ...who, action: "PUT /api/queues/accrual/promote", status: 200 }),
      expect.objectContaining({ ...who, given: '{"max":1.5,"\\u202e":"\\u009b"}', status: 400 }),
    ])
  })

  it("row 19: board action posted from another site: refused", async () => {
    const isPaused = async () => {
      const response = await fetch(`${system.operatorsUrl}/api/queues`)
      const { queues } = (await response.json()) as { queues: { isPaused: boolean }[] }
      return queues[0]?.isPaused
    }
    const actions = {
      pause: ["PUT", "/api/queues/accrual/pause"],
      resume: ["PUT", "/api/queues/accrual/resume"],
      empty: ["PUT", "/api/queues/accrual/empty"],
      "retry all": ["PUT", "/api/queues/accrual/retry/failed"],
      "clean all": ["PUT", "/api/queues/accrual/clean/completed"],
      "promote all": ["PUT", "/api/queues/accrual/promote"],
      "add a job": ["POST", "/api/queues/accrual/add"],
      "retry a job": ["PUT", "/api/queues/accrual/1/retry/failed"],
      "remove a job": ["PUT", "/api/queues/accrual/1/clean"],
    }
    const sites: Record<string, HeaderFields> = {
      "cross-site": { "sec-fetch-site": "cross-site" },
      "same-site": { "sec-fetch-site": "same-site" },
      "Origin only": { origin: EVIL },
      "Origin null": { origin: "null" },
      "a form": { origin: EVIL, "content-type": "text/plain" },
    }
    for (const [what, [method = "", path = ""]] of Object.entries(actions)) {
      for (const [site, headers] of Object.entries(sites)) {
        const options = { method, headers, ...(site === "a form" ? { body: "a=b" } : {}) }
        const response = await fetch(`${system.operatorsUrl}${path}`, options)
        expectStatus(19, `${what}, ${site}`, response, 403)
      }
      const url = `${guardedUrl}${path}`
      const headers = { origin: EVIL, ...basic("operator", PASSWORD) }
      const withPassword = await fetch(url, { method, headers })
      expectStatus(19, `${what}, with the browser's credentials`, withPassword, 403)
      // To a browser, a page whose name was made to point here is of the same site.
      const rebound = `${method} ${path} HTTP/1.1\r\nHost: evil.example\r\nOrigin: ${EVIL}\r\n`
      const { response } = await sendRaw(
        system.operatorsUrl,
        `${rebound}Sec-Fetch-Site: same-origin\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
      )
      if (response === undefined) throw new Error("there was no answer")
      expectStatus(19, `${what}, by DNS rebinding`, response, 403)
    }
    expect(await isPaused()).toBe(false)

    const pause = await fetch(`${system.operatorsUrl}/api/queues/accrual/pause`, { method: "PUT" })
    expectStatus(19, "pause, by an operator", pause, 200)
    expect(await isPaused()).toBe(true)
    const resume = await fetch(`${system.operatorsUrl}/api/queues/accrual/resume`, {
      method: "PUT",
    })
    expectStatus(19, "resume, by an operator", resume, 200)
    expect(await isPaused()).toBe(false)
  })
})
