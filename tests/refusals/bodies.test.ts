import { brotliCompressSync, constants, deflateSync, gzipSync } from "node:zlib"
import type { Customer } from "@gofermart/local-stack/customer.ts"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { processed, recordOne, settleOne } from "../harness/ledger.ts"
import { newLogin, newNumber } from "../harness/numbers.ts"
import { startSystem, type System } from "../harness/system.ts"
import { type HeaderFields, PASSWORD, sendJson } from "./requests.ts"
import { expectRefused, expectStatus, note, printTable } from "./table.ts"

type Body = NonNullable<RequestInit["body"]>

const MEBIBYTE = 1_048_576
/** What a gzip stream that fits into a small body can expand to. */
const BOMB_BYTES = 48 * MEBIBYTE
const HUGE_BYTES = 5 * MEBIBYTE
const HUGE_AT_ONCE = 40
const LEVELS = 100_000
/** An event loop that is not blocked answers much sooner, also on a slow machine. */
const ALIVE_MAX_MS = 1_000
const DEEP_AT_ONCE = 20

describe("bodies", () => {
  let system: System
  let anna: Customer
  beforeAll(async () => {
    system = await startSystem({ backend: "postgresql", workers: 0 })
    anna = await system.register()
  })
  afterAll(async () => {
    printTable()
    await system.close()
  })

  /** Everything that takes a body, with its content type. */
  const targets = () => ({
    "POST register": ["POST", "register", "application/json"],
    "POST login": ["POST", "login", "application/json"],
    "PUT password": ["PUT", "password", "application/json"],
    "POST orders": ["POST", "orders", "text/plain"],
    "POST balance/withdraw": ["POST", "balance/withdraw", "application/json"],
  })
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
    const deep = "[".repeat(7_000) + "]".repeat(7_000)
    const bodies = {
      "an empty body": "",
      "white space": " \n ",
      "cut JSON": `{${credentials}`,
      "JSON and more": `{${credentials}} {}`,
      "a comma too many": `{${credentials},}`,
      "JSON with NaN": `{${credentials},"sum":NaN}`,
      "100,000-deep JSON": "[".repeat(LEVELS),
      "as deep as fits": "[".repeat(30_000) + "]".repeat(30_000),
      "deep values": `{"login":${deep},"password":${deep},"order":${deep},"sum":${deep}}`,
      "__proto__ at the top": `{${credentials},"__proto__":{"isAdmin":true}}`,
      "__proto__, escaped": `{${credentials},"\\u005f_proto__":{"isAdmin":true}}`,
      "__proto__, inside": `{${credentials},"a":[{"__proto__":{"isAdmin":true}}]}`,
      "__proto__ only": '{"__proto__":{"login":"a","password":"b","order":"18","sum":1}}',
      "constructor.prototype": `{${credentials},"constructor":{"prototype":{"isAdmin":true}}}`,
    }
    for (const [what, target] of Object.entries(targets())) {
      for (const [how, body] of Object.entries(bodies)) {
        // To an upload all of these but the empty ones are text, and row 11 is about it.
        if (what === "POST orders" && !/^(an empty|white)/.test(how)) continue
        const response = await send(target, body)
        await expectRefused(9, `${what}: ${how}`, response, 400, "malformed_request")
      }
    }

    const sent = Array.from({ length: DEEP_AT_ONCE }, (_, i) => {
      const body = bodies[i % 2 === 0 ? "as deep as fits" : "deep values"]
      return send(targets()["POST login"], body)
    })
    const waits = Array.from({ length: DEEP_AT_ONCE }, askAlive)
    const slowest = Math.max(...(await Promise.all(waits)))
    note(9, `/healthz with ${DEEP_AT_ONCE} of them at once, slowest, ms`, slowest.toFixed(0))
    expect(slowest).toBeLessThan(ALIVE_MAX_MS)
    const statuses = (await Promise.all(sent)).map(({ status }) => status)
    expect(new Set(statuses)).toEqual(new Set([400]))
    const { status } = await sendJson("POST", `${system.apiUrl}/api/user/register`, {
      login: newLogin(),
      password: PASSWORD,
    })
    expect(status).toBe(200)
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
      const own = await fetch(`${system.apiUrl}/api/user/balance?user_id=${id}`, {
        headers: { authorization, "x-user-id": String(id) },
      })
      expectStatus(10, `GET balance?user_id= of ${what}`, own, 200)
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
})
