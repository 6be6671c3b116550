import type { Customer } from "@gofermart/local-stack/customer.ts"
import { POINTS_MAX } from "@gofermart/shared/domain/points.ts"
import { withCheckDigit } from "@gofermart/shared/domain/order-number.ts"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { processed, recordOne, settleOne } from "../harness/ledger.ts"
import { newLogin, newNumber } from "../harness/numbers.ts"
import { expectOwnExplained } from "../harness/invariants.ts"
import { joinSharedSystem, type SharedSystem } from "../harness/shared-system.ts"
import { sendCredentials } from "./requests.ts"
import { expectRefused, expectStatus, expectWithin, printTable } from "./table.ts"

/** Most of what fits into a body: what takes quadratic time for it takes many seconds. */
const LONG = 60_000
const LINEAR_MAX_MS = 1_000
const SQL = [
  "'; DROP TABLE users; --",
  "' OR '1'='1",
  "anna'/*",
  "%",
  "\\",
  "\\'; SELECT pg_sleep(9); --",
  "$1",
  "$$; DELETE FROM orders; $$",
  "{{7*7}}${7*7}",
  "1; UPDATE users SET id = 1",
]

describe("numbers and amounts", () => {
  let system: SharedSystem
  let anna: Customer
  let boris: Customer
  beforeAll(async () => {
    system = await joinSharedSystem()
    anna = await system.register()
    boris = await system.register()
    const { client } = system.database
    for (const { login } of [anna, boris]) {
      const { id } = await client.user.findUniqueOrThrow({ where: { login } })
      await settleOne(client, await recordOne(client, id), processed(50_050))
    }
  })
  afterAll(async () => {
    printTable()
    await expectOwnExplained(system)
  })

  const upload = (body: string, customer = anna) =>
    customer.request("POST", "/api/user/orders", body, "text/plain; charset=utf-8")
  const withdraw = (body: string | object, customer = anna) => {
    const text = typeof body === "string" ? body : JSON.stringify(body)
    return customer.request("POST", "/api/user/balance/withdraw", text, "application/json")
  }
  const read = (number: string, customer = anna) =>
    customer.request("GET", `/api/user/orders/${encodeURIComponent(number)}`)

  it("row 11: letters, sign, exponent, other digits, spaces inside, 10,000 digits: 422", async () => {
    const numbers = {
      letters: "abc",
      "letters after digits": "18a",
      "a plus": "+18",
      "a minus": "-18",
      "an exponent": "18e0",
      hexadecimal: "0x12",
      "a point": "18.0",
      "a separator": "1_8",
      "full-width digits": "１８",
      "Arabic digits": "١٨",
      "a superscript": "1⁸",
      "a space inside": "1 8",
      "a line break inside": "1\n8",
      "a NUL inside": "1\u00008",
      "a zero-width space inside": "1\u200b8",
      "a wrong check digit": "19",
      "a zero": "0",
      "zeros alone": "0000000000",
      "256 digits": withCheckDigit256(),
      "10,000 digits": "0".repeat(10_000),
      "60,000 digits": "0".repeat(LONG),
      "60,000 digits and a letter": `${"1".repeat(LONG)}x`,
      "60,000 spaces inside": `1${" ".repeat(LONG)}8`,
    }
    for (const [what, number] of Object.entries(numbers)) {
      const start = performance.now()
      const [uploaded, withdrawn] = [
        await upload(number),
        await withdraw({ order: number, sum: 1 }),
      ]
      const took = performance.now() - start
      await expectRefused(11, `upload: ${what}`, uploaded, 422, "invalid_order_number")
      await (number.length < LONG
        ? expectRefused(11, `withdraw: ${what}`, withdrawn, 422, "invalid_order_number")
        : expectRefused(11, `withdraw: ${what}`, withdrawn, 413, "body_too_large"))
      expectWithin(11, `both, with ${what}`, took, LINEAR_MAX_MS)
    }
    expect(await anna.balance()).toEqual({ current: 500.5, withdrawn: 0 })
    expect(await anna.orders()).toHaveLength(1)
  })

  it('row 12: sum 0, −1, 1e309, "10", 0.001, null, 10^18: 400 or 422; never a debit', async () => {
    const order = newNumber()
    const invalid = ["0", "-0", "0.00", "-1", "-0.01", "0.001", "1.999", "1e-9", "1e18", "1e308"]
    const beyondDoubles = ["1e309", "-1e309", "1e-400", "-1e-400", "1e99999", "9".repeat(400)]
    const malformed = ['"10"', '"ten"', "null", "true", "[]", "[1]", "{}"]
    const nearly = ["1000000000000000000", "0.30000000000000004", "90071992547409.92"]
    for (const sum of [...invalid, ...beyondDoubles, ...nearly]) {
      const response = await withdraw(`{"order":"${order}","sum":${sum}}`)
      await expectRefused(12, `sum ${sum.slice(0, 20)}`, response, 422, "invalid_sum")
    }
    for (const sum of [...malformed, "NaN", "Infinity", "0x10", "1,5", "+1", "01", "1."]) {
      const response = await withdraw(`{"order":"${order}","sum":${sum}}`)
      await expectRefused(12, `sum ${sum}`, response, 400, "malformed_request")
    }
    const response = await withdraw({ order })
    await expectRefused(12, "no sum", response, 400, "malformed_request")
    expect(await anna.balance()).toEqual({ current: 500.5, withdrawn: 0 })
    expect(await anna.withdrawals()).toEqual([])
  })

  it("row 12: a sum counts as it is written, to the last digit", async () => {
    const { client } = system.database
    const carl = await system.register()
    const { id } = await client.user.findUniqueOrThrow({ where: { login: carl.login } })
    await settleOne(client, await recordOne(client, id), processed(100_00))
    const sums = { "1.00": 1, "1.100": 1.1, "5e0": 5, "100e-4": 0.01, "0.5e1": 5, "2E0": 2 }
    // What a program sends that prints a double with all its digits.
    const ofDoubles = { "10.050000000000001": 10.05, "0.29999999999999999": 0.3 }
    for (const [sum, spent] of Object.entries({ ...sums, ...ofDoubles })) {
      const order = newNumber()
      const response = await withdraw(`{"order":"${order}","sum":${sum}}`, carl)
      expectStatus(12, `sum ${sum}`, response, 200)
      expect((await carl.withdrawals())[0]).toMatchObject({ order, sum: spent })
    }
    expect(await carl.balance()).toEqual({ current: 75.54, withdrawn: 24.46 })

    // The nearest double prints as …409.9.
    const dora = await system.register()
    const rich = await client.user.findUniqueOrThrow({ where: { login: dora.login } })
    await settleOne(client, await recordOne(client, rich.id), processed(POINTS_MAX))
    const all = await withdraw(`{"order":"${newNumber()}","sum":90071992547409.91}`, dora)
    expectStatus(12, "all that there can be", all, 200)
    expect((await dora.balance()).current).toBe(0)
  })

  it("row 13: another user's order, read or withdrawn against: 404, 422, and nothing told", async () => {
    const [settled] = await boris.orders()
    const [waiting, spent] = [newNumber(), newNumber()]
    await boris.upload(waiting)
    await boris.withdraw(spent, 1)
    /** All that an answer says, but for what is the request's own (the tag is of the whole body). */
    const said = async (response: Response, number: string) => {
      const hidden = new Set(["content-length", "date", "etag", "x-request-id"])
      const headers = [...response.headers].filter(([name]) => !hidden.has(name))
      const { request_id: _, ...problem } = (await response.json()) as { request_id: string }
      const text = JSON.stringify({ status: response.status, headers, problem })
      return text.replaceAll(number, "NUMBER")
    }
    const unknown = newNumber()
    const ofUnknown = await said(await read(unknown), unknown)
    const withdrawn = new Set<string>()
    const theirs = { settled: settled?.number ?? "", waiting, "paid with points": spent }
    for (const [what, number] of Object.entries(theirs)) {
      const answer = await read(number)
      await expectRefused(13, `read: ${what}`, answer.clone(), 404, "order_not_found")
      expect(await said(answer, number)).toBe(ofUnknown)
      const wait = await fetch(answer.url, {
        headers: { authorization: anna.authorization, prefer: "wait=1" },
      })
      await expectRefused(13, `wait for: ${what}`, wait, 404, "order_not_found")
      const refused = await withdraw({ order: number, sum: 1 })
      await expectRefused(13, `withdraw: ${what}`, refused.clone(), 422, "order_not_yours")
      withdrawn.add(await said(refused, number))
    }
    expect(withdrawn.size).toBe(1)
    expect([...withdrawn][0]).not.toContain(boris.login)
    const numbers = (await anna.orders()).map(({ number }) => number)
    for (const number of Object.values(theirs)) expect(numbers).not.toContain(number)
    expect(await anna.balance()).toEqual({ current: 500.5, withdrawn: 0 })
    expect((await read(waiting, boris)).status).toBe(200)
  })

  it("row 14: SQL metacharacters anywhere: stored or refused, data intact", async () => {
    const { client } = system.database
    const countTables = async () =>
      client.$queryRaw`SELECT table_name FROM information_schema.tables ORDER BY 1`
    const [tables, before] = [await countTables(), await anna.balance()]
    const stored: string[] = []
    for (const sql of SQL) {
      const [login, password] = [`${newLogin()} ${sql}`, `password ${sql}`]
      const registered = await sendCredentials(system.apiUrl, "register", login, password)
      expectStatus(14, `register: ${sql}`, registered, 200)
      expectStatus(
        14,
        `log in: ${sql}`,
        await sendCredentials(system.apiUrl, "login", login, password),
        200,
      )
      stored.push(login)
      const wrong = await sendCredentials(system.apiUrl, "login", sql, password)
      await expectRefused(14, `log in as: ${sql}`, wrong, 401, "wrong_credentials")
      await expectRefused(14, `upload: ${sql}`, await upload(sql), 422, "invalid_order_number")
      await expectRefused(14, `read: ${sql}`, await read(sql), 404, "order_not_found")
      const order = await withdraw({ order: sql, sum: 1 })
      await expectRefused(14, `withdraw: ${sql}`, order, 422, "invalid_order_number")
      const limit = `limit=1&cursor=${Buffer.from(sql).toString("base64url")}`
      for (const list of ["orders", "withdrawals", "transactions"]) {
        const page = await anna.request("GET", `/api/user/${list}?${limit}`)
        await expectRefused(14, `cursor of ${list}: ${sql}`, page, 400, "malformed_request")
      }
      const size = await anna.request("GET", `/api/user/orders?limit=${encodeURIComponent(sql)}`)
      await expectRefused(14, `limit: ${sql}`, size, 400, "malformed_request")
      const bearer = await fetch(`${system.apiUrl}/api/user/balance`, {
        headers: { authorization: `Bearer ${sql}`, "x-request-id": sql },
      })
      await expectRefused(14, `token: ${sql}`, bearer, 401, "unauthenticated")
      const keyed = await fetch(`${system.apiUrl}/api/user/balance/withdraw`, {
        method: "POST",
        headers: {
          authorization: boris.authorization,
          "content-type": "application/json",
          "idempotency-key": sql,
        },
        body: JSON.stringify({ order: newNumber(), sum: 1 }),
      })
      expectStatus(14, `Idempotency-Key: ${sql}`, keyed, 200)
    }
    expect(await countTables()).toEqual(tables)
    const users = await client.user.findMany({ where: { login: { in: stored } } })
    expect(users.map(({ login }) => login).toSorted()).toEqual(stored.toSorted())
    const kept = await client.withdrawal.findMany({ where: { user: { login: boris.login } } })
    const keys = kept.map(({ idempotencyKey }) => idempotencyKey)
    expect(keys).toEqual(expect.arrayContaining(SQL))
    expect(await anna.balance()).toEqual(before)
  })
})

/** A number that is right but for its length. */
function withCheckDigit256(): string {
  return `0${withCheckDigit("7".repeat(254))}`
}
