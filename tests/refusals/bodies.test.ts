import { brotliCompressSync, constants, deflateSync, gzipSync } from "node:zlib"
import type { Customer } from "@gofermart/local-stack/customer.ts"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { processed, recordOne, settleOne } from "../harness/ledger.ts"
import { newLogin, newNumber } from "../harness/numbers.ts"
import { expectProblem } from "../harness/problem.ts"
import { joinSharedSystem, type SharedSystem } from "../harness/shared-system.ts"
import { type HeaderFields, PASSWORD, sendJson } from "./requests.ts"
import { expectRefused, expectStatus, expectWithin, note, printTable } from "./table.ts"

type Body = NonNullable<RequestInit["body"]>

const MEBIBYTE = 1_048_576
/** What a gzip stream that fits into a small body can expand to. */
const BOMB_BYTES = 48 * MEBIBYTE
const HUGE_BYTES = 5 * MEBIBYTE
const HUGE_AT_ONCE = 40
/** As many as fit into a body, nearly: of those with credentials, which anybody may send, and of others. */
const SMALL_BYTES = 16_000
const OTHER_BYTES = 250_000
/** An event loop that is not blocked answers much sooner, also on a slow machine. */
const ALIVE_MAX_MS = 1_000
const DEEP_AT_ONCE = 20

describe("bodies", () => {
  let system: SharedSystem
  let anna: Customer
  beforeAll(async () => {
    system = await joinSharedSystem()
    anna = await system.register()
  })
  afterAll(printTable)

  /** Everything that takes a body, with its content type. */
  const targets = () => ({
    "POST register": ["POST", "register", "application/json"],
    "POST login": ["POST", "login", "application/json"],
    "PUT password": ["PUT", "password", "application/json"],
    "POST orders": ["POST", "orders", "text/plain"],
    "POST balance/withdraw": ["POST", "balance/withdraw", "application/json"],
  })
  const bytesFor = (what: string) =>
    /register|login|withdraw/.test(what) ? SMALL_BYTES : OTHER_BYTES
  const send = (
    [method = "", path = "", type = ""]: string[],
    body: Body,
    headers: HeaderFields = {},
  ) =>
    fetch(`${system.apiUrl}/api/user/${path}`, {
      method,
      headers: { authorization: anna.authorization, "content-type": type, ...headers },
      body,
      // Needed for a body of unknown length; there is no other value.
      duplex: "half",
    } as RequestInit)
  /** Resolves with the time it takes to be told that the API is alive. */
  const askAlive = async () => {
    const start = performance.now()
    expect((await fetch(`${system.apiUrl}/healthz`)).status).toBe(200)
    return performance.now() - start
  }

  it("row 8: body too large, expanded body too large (gzip bomb): 413", async () => {
    const large = "1".repeat(MEBIBYTE)
    const middling = JSON.stringify({ order: newNumber(), sum: 1, padding: "1".repeat(17_000) })
    const zeros = Buffer.alloc(BOMB_BYTES, "0")
    const quick = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }
    const bombs = {
      gzip: gzipSync(zeros),
      deflate: deflateSync(zeros),
      br: brotliCompressSync(zeros, quick),
    }
    for (const bomb of Object.values(bombs)) expect(bomb.length).toBeLessThan(60_000)

    for (const [what, target] of Object.entries(targets())) {
      const expectTooLarge = async (how: string, body: Body, headers?: HeaderFields) => {
        const response = await send(target, body, headers)
        await expectRefused(8, `${what}: ${how}`, response, 413, "body_too_large")
      }
      await expectTooLarge("1 MiB", large)
      if (bytesFor(what) === SMALL_BYTES) await expectTooLarge("17 kB", middling)
      await expectTooLarge("1 MiB in chunks", new Blob([large]).stream())
      for (const [coding, bomb] of Object.entries(bombs)) {
        const how = `${bomb.length} B of ${coding}, ${BOMB_BYTES} B expanded`
        await expectTooLarge(how, new Uint8Array(bomb), { "content-encoding": coding })
      }
    }
    // Their clients are still sending when they are refused, and must get to read that.
    const huge = new Uint8Array(HUGE_BYTES).fill(49)
    const sent = Array.from({ length: HUGE_AT_ONCE }, () => send(targets()["POST login"], huge))
    const answers = new Set(
      (await Promise.allSettled(sent)).map((answer) =>
        answer.status === "fulfilled" ? answer.value.status : String(answer.reason.cause),
      ),
    )
    note(8, `POST login: ${HUGE_AT_ONCE} of 5 MiB at once`, [...answers].join(", "))
    expect.soft(answers).toEqual(new Set([413]))
    const gzipped = gzipSync(JSON.stringify({ login: newLogin(), password: PASSWORD }))
    const small = await send(targets()["POST register"], new Uint8Array(gzipped), {
      "content-encoding": "gzip",
    })
    expectStatus(8, "POST register: a small body of gzip", small, 200)
  })

  it("row 9: empty body, broken JSON, 100,000-deep JSON, __proto__, constructor: 400", async () => {
    const credentials = `"login":"${newLogin()}","password":"${PASSWORD}"`
    const nested = (bytes: number) => "[".repeat(bytes / 2) + "]".repeat(bytes / 2)
    const bodies = (bytes: number, deep = nested(bytes / 5)) => ({
      "an empty body": "",
      "white space": " \n ",
      "cut JSON": `{${credentials}`,
      "JSON and more": `{${credentials}} {}`,
      "a comma too many": `{${credentials},}`,
      "JSON with NaN": `{${credentials},"sum":NaN}`,
      "deep JSON, cut": "[".repeat(bytes),
      "as deep as fits": nested(bytes),
      "a deep value that nobody asked for": `{${credentials},"a":${deep}}`,
      "deep values": `{"login":${deep},"password":${deep},"order":${deep},"sum":${deep}}`,
      "__proto__ at the top": `{${credentials},"__proto__":{"isAdmin":true}}`,
      "__proto__, escaped": `{${credentials},"\\u005f_proto__":{"isAdmin":true}}`,
      "__proto__, inside": `{${credentials},"a":[{"__proto__":{"isAdmin":true}}]}`,
      "__proto__ only": '{"__proto__":{"login":"a","password":"b","order":"18","sum":1}}',
      "more keys than anybody needs": `{${credentials},"a":[${'{"a":1},'.repeat(500)}{}]}`,
      "constructor.prototype": `{${credentials},"constructor":{"prototype":{"isAdmin":true}}}`,
    })
    for (const [what, target] of Object.entries(targets())) {
      for (const [how, body] of Object.entries(bodies(bytesFor(what)))) {
        // To an upload all of these but the empty ones are text, and row 11 is about it.
        if (what === "POST orders" && !/^(an empty|white)/.test(how)) continue
        const response = await send(target, body)
        await expectRefused(9, `${what}: ${how}`, response, 400, "malformed_request")
      }
    }

    const large = bodies(OTHER_BYTES)
    const sent = Array.from({ length: DEEP_AT_ONCE }, (_, i) => {
      const body = large[i % 2 === 0 ? "as deep as fits" : "deep values"]
      return send(targets()["PUT password"], body)
    })
    const waits = Array.from({ length: DEEP_AT_ONCE }, askAlive)
    const slowest = Math.max(...(await Promise.all(waits)))
    expectWithin(9, `/healthz with ${DEEP_AT_ONCE} of them at once, slowest`, slowest, ALIVE_MAX_MS)
    const statuses = (await Promise.all(sent)).map(({ status }) => status)
    expect(new Set(statuses)).toEqual(new Set([400]))
    const { status } = await sendJson("POST", `${system.apiUrl}/api/user/register`, {
      login: newLogin(),
      password: PASSWORD,
    })
    expect(status).toBe(200)
  })

  it("row 9: JSON of another charset: 400; of UTF-8, however that is written: taken", async () => {
    const sendAs = (type: string) =>
      sendJson(
        "POST",
        `${system.apiUrl}/api/user/register`,
        { login: newLogin(), password: PASSWORD },
        { "content-type": type },
      )
    for (const charset of ["utf-16", '"utf-16"', "latin1", "utf-8;charset=utf-16", ""]) {
      const type = `application/json; charset=${charset}`
      await expectRefused(9, type, await sendAs(type), 400, "malformed_request")
    }
    for (const charset of ["utf-8", "UTF-8", '"utf-8"', "utf8;a=b"]) {
      const type = `application/json;charset=${charset}`
      expectStatus(9, type, await sendAs(type), 200)
    }
  })

  it("row 10: extra fields (balance, id, user_id): ignored or 400, never applied", async () => {
    const { client } = system.database
    const idOf = async (login: string) =>
      (await client.user.findUniqueOrThrow({ where: { login } })).id
    const annaId = await idOf(anna.login)
    await settleOne(client, await recordOne(client, annaId), processed(50_000))
    const boris = await system.register()
    const borisId = await idOf(boris.login)
    await settleOne(client, await recordOne(client, borisId), processed(70_000))

    const extras = (id: bigint) => ({
      id: Number(id),
      user_id: Number(id),
      userId: String(id),
      balance: 1_000,
      current: 1_000,
      accrual: 1_000,
      withdrawn: -1_000,
      tokens_valid_from: "1970-01-01T00:00:00Z",
      created_at: "1970-01-01T00:00:00Z",
      role: "operator",
    })
    const FREE_ID = 999_999n
    for (const [what, id] of [
      ["a free id", FREE_ID] as const,
      ["another's id", borisId] as const,
    ]) {
      const login = newLogin()
      const credentials = { login, password: PASSWORD, ...extras(id) }
      const registered = await sendJson("POST", `${system.apiUrl}/api/user/register`, credentials)
      expectStatus(10, `POST register with ${what}, balance, …`, registered, 200)
      const newId = await idOf(login)
      expect(newId).not.toBe(id)
      const balance = await client.userBalance.findUniqueOrThrow({ where: { userId: newId } })
      expect([Number(balance.accrual), Number(balance.withdrawal)]).toEqual([0, 0])
      const logged = await sendJson("POST", `${system.apiUrl}/api/user/login`, credentials)
      expectStatus(10, `POST login with ${what}, balance, …`, logged, 200)
      const authorization = logged.headers.get("authorization") ?? ""
      const headers = { authorization, "x-user-id": String(id) }
      const asked = await fetch(`${system.apiUrl}/api/user/balance?user_id=${id}`, { headers })
      await expectRefused(10, `GET balance?user_id= of ${what}`, asked, 400, "malformed_request")
      const own = await fetch(`${system.apiUrl}/api/user/balance`, { headers })
      expectStatus(10, `GET balance, x-user-id of ${what}`, own, 200)
      expect(await own.json()).toEqual({ current: 0, withdrawn: 0 })
    }

    const withdrawal = { order: newNumber(), sum: 100, ...extras(borisId), value: 1 }
    const target = targets()["POST balance/withdraw"]
    const withdrawn = await send(target, JSON.stringify(withdrawal))
    expectStatus(10, "POST balance/withdraw with another's user_id, …", withdrawn, 200)
    expect(await anna.balance()).toEqual({ current: 400, withdrawn: 100 })
    expect(await boris.balance()).toEqual({ current: 700, withdrawn: 0 })
    const upload = `${newNumber()}&user_id=${borisId}`
    const refused = await send(targets()["POST orders"], upload)
    await expectRefused(10, "POST orders with &user_id=", refused, 422, "invalid_order_number")
    expect(await client.user.count({ where: { id: FREE_ID } })).toBe(0)
  })

  it("row 24: a key twice, at any depth, however it is written: 400, and no debit", async () => {
    const before = await anna.balance()
    const fields = `"login":"${newLogin()}","password":"${PASSWORD}","new_password":"${PASSWORD}","order":"${newNumber()}"`
    const bodies = {
      "different values": `{${fields},"sum":0.01,"sum":1}`,
      "equal values": `{${fields},"sum":1,"sum":1}`,
      escaped: `{${fields},"sum":1,"s\\u0075m":0.01}`,
      "with others between": `{"sum":0.01,${fields},"sum":1}`,
      "of another type": `{${fields},"sum":"1","sum":1}`,
      "of an unknown key": `{${fields},"sum":1,"x":1,"x":1}`,
      "in an inner object": `{${fields},"sum":1,"x":{"y":[{"z":1,"z":1}]}}`,
    }
    for (const [what, target] of Object.entries(targets())) {
      if (what === "POST orders") continue
      for (const [how, body] of Object.entries(bodies)) {
        const response = await send(target, body)
        const { detail } = (await response.clone().json()) as { detail: string }
        await expectRefused(24, `${what}: ${how}`, response, 400, "malformed_request")
        expect(detail).toMatch(/^An object of the body has the key (sum|x|z) more than once\.$/)
      }
      const unseen = await send(target, '{"\u202e":1,"\\u202e":2}')
      expect(await unseen.json()).toMatchObject({
        detail: "An object of the body has the key \\u202e more than once.",
      })
      const key = "k".repeat(bytesFor(what) / 3)
      const response = await send(target, `{${fields},"${key}":1,"${key}":2}`)
      expect((await response.clone().text()).length).toBeLessThan(1_000)
      await expectRefused(24, `${what}: a long one`, response, 400, "malformed_request")
    }
    expect(await anna.balance()).toEqual(before)
    const board = await fetch(`${system.operatorsUrl}/api/queues/accrual/concurrency`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: '{"concurrency":1,"concurrency":2}',
    })
    expectStatus(24, "the board", board, 400)
  })

  it("names everything that is wrong with a request, in sentences", async () => {
    const errorsOf = async (response: Response) => {
      const problem = await expectProblem(response, 400, "malformed_request")
      expect(problem).not.toHaveProperty("detail")
      return problem["errors"]
    }
    const register = targets()["POST register"]
    expect(await errorsOf(await send(register, '{"login":5}'))).toEqual([
      { detail: "The field password is missing.", pointer: "#/password" },
      { detail: "The field login must be text of 0 to 1024 characters.", pointer: "#/login" },
    ])
    for (const body of ["[]", '"text"', "null", "1"]) {
      expect(await errorsOf(await send(register, body))).toEqual([
        { detail: "The body must be a JSON object.", pointer: "#" },
      ])
    }
    const headers = { "idempotency-key": "a,b" }
    const withdraw = ["POST", "balance/withdraw?x=1&y=2", "application/json"]
    expect(await errorsOf(await send(withdraw, '{"order":1,"sum":"1"}', headers))).toEqual([
      { detail: "The query parameter x is not known here.", parameter: "x" },
      { detail: "The query parameter y is not known here.", parameter: "y" },
      {
        detail:
          "The header idempotency-key must be text of 1 to 255 characters without a comma, which stands for this one withdrawal, such as a UUID.",
        header: "idempotency-key",
      },
      { detail: "The field order must be text.", pointer: "#/order" },
      { detail: "The field sum must be a number.", pointer: "#/sum" },
    ])
    const upload = targets()["POST orders"]
    const [nothing] = (await errorsOf(await send(upload, " "))) as object[]
    expect(nothing).toEqual({ detail: "The body must be the order's number.", pointer: "#" })
    const page = await anna.request("GET", "/api/user/orders?limit=0&cursor=")
    expect(await errorsOf(page)).toMatchObject([{ parameter: "limit" }, { parameter: "cursor" }])
    const cursor = await anna.request("GET", "/api/user/orders?cursor=x")
    expect(await errorsOf(cursor)).toEqual([
      { detail: "The cursor is none that this list gave.", parameter: "cursor" },
    ])
  })
})
