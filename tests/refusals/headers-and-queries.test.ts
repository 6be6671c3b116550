import { readFileSync, globSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Customer } from "@gofermart/local-stack/customer.ts"
import { hasUnseen } from "@gofermart/shared/domain/printable.ts"
import { REPEATABLE_HEADERS, SINGLE_HEADERS } from "@gofermart/shared/http/repeated-headers.ts"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { processed, recordOne, settleOne } from "../harness/ledger.ts"
import { newNumber } from "../harness/numbers.ts"
import { expectOwnExplained } from "../harness/invariants.ts"
import { saidBy } from "../harness/problem.ts"
import { joinSharedSystem, type SharedSystem } from "../harness/shared-system.ts"
import { sendRaw } from "./requests.ts"
import { expectRefused, expectStatus, note, printTable } from "./table.ts"

const repository = fileURLToPath(new URL("../../", import.meta.url))

/** Two different values for each header that may occur once; the first is one that would do. */
const VALUES: Record<string, [string, string]> = {
  "Content-Encoding": ["identity", "gzip"],
  "Content-Type": ["application/json", "text/plain"],
  Expect: ["a", "b"],
  Host: ["127.0.0.1", "example.org"],
  "Idempotency-Key": ["d1", "d2"],
  "If-Modified-Since": ["Sun, 22 Nov 2026 10:00:00 GMT", "Mon, 23 Nov 2026 10:00:00 GMT"],
  "If-Range": ['"a"', '"b"'],
  "If-Unmodified-Since": ["Sun, 22 Nov 2026 10:00:00 GMT", "Mon, 23 Nov 2026 10:00:00 GMT"],
  "Last-Event-ID": ["0", "1"],
  Origin: ["http://127.0.0.1", "http://example.org"],
  Range: ["bytes=0-1", "bytes=1-2"],
  "Sec-Fetch-Site": ["same-origin", "cross-site"],
}

/** What HTTP itself takes to be wrong, before a header is looked at. */
const REFUSED_BY_THE_PARSER = ["content-length", "transfer-encoding"]

describe("what comes in headers and in queries", () => {
  let system: SharedSystem
  let anna: Customer
  let boris: Customer
  beforeAll(async () => {
    system = await joinSharedSystem()
    anna = await system.register()
    boris = await system.register()
    const { client } = system.database
    const { id } = await client.user.findUniqueOrThrow({ where: { login: anna.login } })
    await settleOne(client, await recordOne(client, id), processed(100_00))
  })
  afterAll(async () => {
    printTable()
    await expectOwnExplained(system)
  })

  /** Sends lines as they are, with what the request needs and they do not have. */
  const send = async (start: string, lines: string[], body = "") => {
    const needed = {
      Host: "127.0.0.1",
      Connection: "close",
      "Content-Length": String(Buffer.byteLength(body)),
      ...(body === "" ? {} : { "Content-Type": "application/json" }),
    }
    const given = lines.map((line) => line.split(":", 1)[0]?.toLowerCase())
    const isGiven = (name: string) => given.includes(name.toLowerCase())
    const added = Object.entries(needed).filter(([name]) => !isGiven(name))
    const head = [...lines, ...added.map((pair) => pair.join(": "))].join("\r\n")
    const answer = await sendRaw(system.apiUrl, `${start} HTTP/1.1\r\n${head}\r\n\r\n${body}`)
    expect(answer.answers).toBe(1)
    return answer.response ?? Response.error()
  }
  const authorized = (customer = anna) => `Authorization: ${customer.authorization}`
  const withdraw = (lines: string[], order = newNumber()) =>
    send("POST /api/user/balance/withdraw", lines, JSON.stringify({ order, sum: 10 }))
  const expectNamed = async (what: string, response: Response, name: string) => {
    const said = await saidBy(response)
    await expectRefused(22, what, response, 400, "malformed_request")
    expect.soft({ what, said }).toEqual({ what, said: expect.stringContaining(` ${name} `) })
  }

  it("row 22: a header given twice, with equal or different values: 400, and no debit", async () => {
    const pairs = Object.entries({
      ...VALUES,
      Authorization: [anna.authorization, boris.authorization],
    } as typeof VALUES)
    const tried = pairs.map(([name]) => name.toLowerCase())
    expect([...tried, ...REFUSED_BY_THE_PARSER].toSorted()).toEqual([...SINGLE_HEADERS].toSorted())
    for (const [name, [value, other]] of pairs) {
      const rest = name === "Authorization" ? [] : [authorized()]
      for (const [how, second] of [["equal", value] as const, ["different", other] as const]) {
        const lines = [`${name}: ${value}`, ...rest, `${name.toUpperCase()}: ${second}`]
        await expectNamed(`${name}, ${how}`, await withdraw(lines), name.toLowerCase())
        const backwards = [`${name}: ${second}`, ...rest, `${name}: ${value}`]
        await expectNamed(`${name}, ${how}`, await withdraw(backwards), name.toLowerCase())
      }
    }
    for (const name of REFUSED_BY_THE_PARSER) {
      const [value, other] = name === "content-length" ? ["0", "1"] : ["chunked", "gzip"]
      for (const second of [value, other]) {
        const response = await withdraw([authorized(), `${name}: ${value}`, `${name}: ${second}`])
        await expectNamed(`${name}, ${value} and ${second}`, response, name)
      }
    }
    const filler = Array.from({ length: 2_100 }, (_, i) => `a${i}:`)
    const late = ["Idempotency-Key: late", authorized(), ...filler, "Idempotency-Key: late"]
    await expectNamed("one after 2,000 others", await withdraw(late), "idempotency-key")
    expect(await anna.balance()).toEqual({ current: 100, withdrawn: 0 })
  })

  it("row 22: on every address, also where there is nothing", async () => {
    const twice = ["Authorization: a", "Authorization: b"]
    const starts = ["GET /healthz", "GET /openapi.json", "GET /nothing", "DELETE /api/user/balance"]
    for (const start of [...starts, "POST /api/user/login", "GET /api/user/events", "HEAD /docs"]) {
      const response = await send(start, twice)
      if (start.startsWith("HEAD")) expectStatus(22, start, response, 400)
      else await expectNamed(start, response, "authorization")
    }
  })

  it("row 22: a key that two lines were joined into: 400; its retry debits once", async () => {
    const order = newNumber()
    for (const key of ["d1, d1", "d1,d1", "d1, d2", ","]) {
      const joined = await withdraw([authorized(), `Idempotency-Key: ${key}`], order)
      await expectNamed(`joined: ${key}`, joined, "idempotency-key")
    }
    const lines = [authorized(), "Idempotency-Key: d1", "Idempotency-Key: d1"]
    await expectNamed("two lines", await withdraw(lines, order), "idempotency-key")
    for (let i = 0; i < 2; i++) {
      const retried = await withdraw([authorized(), "Idempotency-Key: d1"], order)
      expectStatus(22, "the retry with one line", retried, 200)
    }
    expect(await anna.balance()).toEqual({ current: 90, withdrawn: 10 })
  })

  it("row 22: two cookies of ours, equal or different: 400, unless a token decides", async () => {
    const [token, other] = [anna, boris].map((user) => user.authorization.replace("Bearer ", ""))
    const cookies = {
      equal: [`Cookie: gofermart=${token}; gofermart=${token}`],
      different: [`Cookie: gofermart=${token}; lang=en; gofermart=${other}`],
      "with a space": [`Cookie: gofermart=${token};gofermart =${other}`],
      "on two lines": [`Cookie: gofermart=${token}`, `Cookie: gofermart=${other}`],
      "one of them empty": [`Cookie: gofermart=; gofermart=${token}`],
    }
    for (const [what, lines] of Object.entries(cookies)) {
      const read = await send("GET /api/user/balance", lines)
      await expectNamed(`cookies, ${what}: read`, read, "gofermart")
      await expectNamed(`cookies, ${what}: withdraw`, await withdraw(lines), "gofermart")
      const decided = await send("GET /api/user/balance", [authorized(boris), ...lines])
      expectStatus(22, `cookies, ${what}, and a token`, decided, 200)
      expect(await decided.json()).toEqual({ current: 0, withdrawn: 0 })
    }
    const others = [`Cookie: a=1; a=2; xgofermart=3; gofermart=${token}`, "Cookie: a=3"]
    expectStatus(22, "others' cookies", await send("GET /api/user/balance", others), 200)
  })

  it("row 22: headers that may occur more than once: taken", async () => {
    for (const name of REPEATABLE_HEADERS) {
      const lines = [authorized(), `${name}: close`, `${name}: close`]
      expectStatus(22, `${name}, twice`, await send("GET /api/user/balance", lines), 200)
    }
  })

  it("row 25: a parameter that is not known: 400 that names it; _ is ignored", async () => {
    const asked = (path: string) => {
      const [method = "", address = ""] = path.split(" ")
      return anna.request(method, address)
    }
    const reads = ["orders", "withdrawals", "transactions", "balance", "events", "orders/18"]
    const paths = [
      ...reads.map((path) => `GET /api/user/${path}`),
      ...["register", "login", "orders", "balance/withdraw", "logout"].map(
        (path) => `POST /api/user/${path}`,
      ),
      "PUT /api/user/password",
      ...["/healthz", "/readyz", "/openapi.json", "/docs"].map((path) => `GET ${path}`),
    ]
    for (const path of paths) {
      // What needs a body is refused for want of one as well, and says so.
      const response = await asked(`${path}?status=INVALID`)
      const said = await saidBy(response)
      await expectRefused(25, `${path}?status=`, response, 400, "malformed_request")
      const sentence = "The query parameter status is not known here."
      expect.soft({ path, said }).toEqual({ path, said: expect.stringContaining(sentence) })
    }
    const names = ["Limit", "limit[]", "__proto__", "constructor", "%00", "a".repeat(5_000)]
    for (const name of names) {
      const response = await asked(`GET /api/user/orders?${name}=1`)
      expect((await response.clone().text()).length).toBeLessThan(1_000)
      await expectRefused(25, `orders?${name.slice(0, 20)}=`, response, 400, "malformed_request")
    }
    const unseen = await fetch(`${system.apiUrl}/healthz?%C2%9B31m=1&%E2%80%AE=1`)
    expect(await unseen.clone().json()).toMatchObject({
      errors: ["\\u009b31m", "\\u202e"].map((parameter) => ({
        parameter,
        detail: `The query parameter ${parameter} is not known here.`,
      })),
    })
    await expectRefused(25, "names that nobody sees", unseen, 400, "malformed_request")
    for (const start of ["GET /\u009b\u202e", "GET /healthz/\u009b"]) {
      const response = await send(start, [])
      note(25, JSON.stringify(start), response.status)
      expect(hasUnseen(await response.text())).toBe(false)
    }
    const many = Array.from({ length: 1_000 }, (_, i) => `p${i}`).join("&")
    const ofMany = await asked(`GET /api/user/orders?${many}`)
    expect(await ofMany.clone().json()).toMatchObject({ errors: { length: 20 } })
    await expectRefused(25, "1,000 of them", ofMany, 400, "malformed_request")
    for (const path of ["orders?_=1&limit=1", "orders?_=1&_=2", "balance?_", "balance?"]) {
      expectStatus(25, path, await asked(`GET /api/user/${path}`), 200)
    }
    expectStatus(25, "healthz?_=1", await asked("GET /healthz?_=1"), 200)
    expect(await anna.balance()).toEqual({ current: 90, withdrawn: 10 })
  })

  it("knows of every header that is described or read whether it may be repeated", () => {
    const operations = Object.values(inject("openapi").paths).flatMap((path) => Object.values(path))
    const described = operations.flatMap(({ parameters = [] }) =>
      parameters.filter((parameter) => parameter.in === "header").map(({ name }) => name),
    )
    expect(described).toContain("idempotency-key")
    const folders = "{services/api,packages/shared,packages/scoring-simulator}/src/**/*.ts"
    const sources = globSync(folders, { cwd: repository }).filter((file) => !/\.test\./.test(file))
    const read = sources.flatMap((file) => {
      const text = readFileSync(join(repository, file), "utf8")
      const destructured = [...text.matchAll(/\{([^{}]*)\} = request\.headers/g)].flatMap(
        ([, names = ""]) => names.split(",").map((name) => name.split(/[:=]/, 1)[0] ?? ""),
      )
      const accessed = [...text.matchAll(/request\.headers(?:\.(\w+)|\[(.+?)\])/g)].map(
        ([, name, key = ""]) => name ?? key,
      )
      return [...destructured, ...accessed].map((name) => name.replaceAll('"', "").trim())
    })
    expect(read).toContain("authorization")
    expect(read).toContain("sec-fetch-site")
    const isKnown = (name: string) => SINGLE_HEADERS.has(name) || REPEATABLE_HEADERS.has(name)
    expect([...described, ...read].filter((name) => !isKnown(name))).toEqual([])
    expect(SINGLE_HEADERS.intersection(REPEATABLE_HEADERS).size).toBe(0)
  })

  it("row 23: a number or a choice in any form but its own, or twice: 400", async () => {
    const odd = [
      ["Infinity", "-Infinity", "NaN", "1e309", "1e308", "1e2", "0x10", "0b1", "0o7", "5.0"],
      ["+5", "-5", "-0", "0", " 5", "5 ", "5,0", "1_0", "５", "", "null", "true", "[]", "{}"],
      ["1001", "9007199254740993", "9".repeat(400), "5\n", "5\u0000"],
    ].flat()
    const expectWhole = async (what: string, response: Response, form: string) => {
      const said = await saidBy(response)
      await expectRefused(23, what, response, 400, "malformed_request")
      expect.soft({ what, said }).toEqual({ what, said: expect.stringContaining(form) })
    }
    const limits = odd.map((text) => `limit=${encodeURIComponent(text)}`)
    const lists = ["orders", "withdrawals", "transactions"]
    for (const list of lists) {
      for (const query of list === "orders" ? limits : limits.slice(0, 5)) {
        const response = await anna.request("GET", `/api/user/${list}?${query}`)
        const form = "The query parameter limit must be a whole number from 1 to 1000"
        await expectWhole(`${list}?${query.slice(0, 40)}`, response, form)
      }
      for (const query of ["limit=1&limit=1", "limit=1&limit=2", "cursor=a&cursor=a"]) {
        const response = await anna.request("GET", `/api/user/${list}?${query}`)
        const name = query.split("=", 1)[0]
        await expectWhole(
          `${list}?${query}`,
          response,
          `The query parameter ${name} may be sent once`,
        )
      }
      // What a cursor of ours looks like, with the largest numbers that it may hold.
      for (const place of [
        "9".repeat(16),
        "9".repeat(18),
        `${"9".repeat(16)}.${"9".repeat(255)}`,
      ]) {
        const cursor = Buffer.from(place).toString("base64url")
        const { status } = await anna.request("GET", `/api/user/${list}?limit=1&cursor=${cursor}`)
        expect.soft({ list, place, status }).toMatchObject({ status: expect.toSatisfy(isNoFault) })
      }
    }
    const choices = ["1", "0", "True", "TRUE", "yes", "on", "", "null", " true", "true ", "t"]
    const everywhere = choices.map((text) => `everywhere=${encodeURIComponent(text)}`)
    for (const query of [...everywhere, "everywhere=true&everywhere=true"]) {
      const response = await anna.request("POST", `/api/user/logout?${query}`)
      await expectWhole(`logout?${query}`, response, "The query parameter everywhere m")
    }
    const waits = ["wait=Infinity", "wait=1e309", "wait=-1", "wait=0x1", `wait=${"9".repeat(400)}`]
    for (const wait of waits) {
      const headers = { authorization: anna.authorization, prefer: wait }
      const [order] = await anna.orders()
      const url = `${system.apiUrl}/api/user/orders/${order?.number}`
      expectStatus(23, `Prefer: ${wait.slice(0, 20)}`, await fetch(url, { headers }), 200)
    }
    for (const id of ["Infinity", "1e3", "-1", "1.0", "0x1", "9".repeat(19)]) {
      const headers = { authorization: anna.authorization, "last-event-id": id }
      const response = await fetch(`${system.apiUrl}/api/user/events`, { headers })
      await expectWhole(`Last-Event-ID: ${id}`, response, "The header last-event-id must be")
    }
    expect((await anna.request("GET", "/api/user/orders?limit=0001")).status).toBe(200)
    expect((await anna.request("POST", "/api/user/logout?everywhere=false")).status).toBe(204)
  })
})

const isNoFault = (status: number) => status < 500
