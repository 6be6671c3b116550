import type { Customer } from "@gofermart/local-stack/customer.ts"
import { beforeAll, beforeEach, describe, expect, it } from "vitest"
import { processed, recordOne, settleOne } from "../harness/ledger.ts"
import { newNumber } from "../harness/numbers.ts"
import { expectProblem } from "../harness/problem.ts"
import { joinSharedSystem, type SharedSystem } from "../harness/shared-system.ts"

describe("balance and withdrawals", () => {
  let system: SharedSystem
  let anna: Customer
  beforeAll(async () => {
    system = await joinSharedSystem()
  })
  beforeEach(async () => {
    anna = await system.register()
    const { client } = system.database
    const { id } = await client.user.findUniqueOrThrow({ where: { login: anna.login } })
    await settleOne(client, await recordOne(client, id), processed(50_050))
  })

  const withdraw = (body: unknown, type = "application/json") => {
    const text = typeof body === "string" ? body : JSON.stringify(body)
    return anna.request("POST", "/api/user/balance/withdraw", text, type)
  }

  it("starts with nothing", async () => {
    const boris = await system.register()
    expect(await boris.balance()).toEqual({ current: 0, withdrawn: 0 })
    const response = await boris.request("GET", "/api/user/withdrawals")
    expect(response.status).toBe(204)
  })

  it("moves what was withdrawn, and lists it, newest first", async () => {
    const [first, second] = [newNumber(), newNumber()]
    expect((await withdraw({ order: first, sum: 100.01 })).status).toBe(200)
    expect((await withdraw({ order: second, sum: 42 })).status).toBe(200)
    expect(await anna.balance()).toEqual({ current: 358.49, withdrawn: 142.01 })
    const time = expect.stringMatching(/Z$/)
    expect(await anna.withdrawals()).toEqual([
      { order: second, sum: 42, processed_at: time },
      { order: first, sum: 100.01, processed_at: time },
    ])
    expect((await anna.orders()).map(({ number }) => number)).not.toContain(first)
  })

  it("answers 402 when the points do not suffice, and keeps them", async () => {
    await expectProblem(
      await withdraw({ order: newNumber(), sum: 500.51 }),
      402,
      "not_enough_points",
    )
    expect(await anna.balance()).toEqual({ current: 500.5, withdrawn: 0 })
    expect((await withdraw({ order: newNumber(), sum: 500.5 })).status).toBe(200)
  })

  it("answers 422 to another user's order and says nothing about it", async () => {
    const boris = await system.register()
    const number = newNumber()
    await boris.upload(number)
    const problem = await expectProblem(
      await withdraw({ order: number, sum: 1 }),
      422,
      "order_not_yours",
    )
    expect(JSON.stringify(problem)).not.toContain(boris.login)
  })

  it("lets the number be uploaded by whom it was paid by, and by nobody else", async () => {
    const number = newNumber()
    await withdraw({ order: number, sum: 1 })
    const boris = await system.register()
    const response = await boris.request("POST", "/api/user/orders", number, "text/plain")
    await expectProblem(response, 409, "order_taken")
    expect(await anna.upload(number)).toBe(202)
    expect(await anna.upload(number)).toBe(200)
  })

  it.each(["12345", "", "abc", "１８"])("answers 422 to the order number %j", async (order) => {
    await expectProblem(await withdraw({ order, sum: 1 }), 422, "invalid_order_number")
  })

  it.each([0, -1, 0.001, 100.011, 1e18, 1e-9])("answers 422 to the sum %d", async (sum) => {
    await expectProblem(await withdraw({ order: newNumber(), sum }), 422, "invalid_sum")
    expect(await anna.balance()).toEqual({ current: 500.5, withdrawn: 0 })
  })

  it.each([
    ["no sum", '{"order":"18"}'],
    ["a sum in quotes", '{"order":"18","sum":"10"}'],
    ["null as sum", '{"order":"18","sum":null}'],
    ["a number as order", '{"order":18,"sum":1}'],
    ["an array", "[]"],
    ["null", "null"],
    ["broken JSON", '{"order":'],
    ["nothing", ""],
    ["JSON of 10,000 levels", "[".repeat(10_000)],
  ])("answers 400 to %s", async (_what, body) => {
    await expectProblem(await withdraw(body), 400, "malformed_request")
    expect(await anna.balance()).toEqual({ current: 500.5, withdrawn: 0 })
  })

  it("answers 400 to another content type", async () => {
    const body = JSON.stringify({ order: newNumber(), sum: 1 })
    await expectProblem(await withdraw(body, "text/plain"), 400, "malformed_request")
  })

  it("lets as many of racing withdrawals succeed as the balance covers", async () => {
    const attempts = Array.from({ length: 40 }, () => withdraw({ order: newNumber(), sum: 50 }))
    const statuses = (await Promise.all(attempts)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(10)
    expect(statuses.filter((status) => status === 402)).toHaveLength(30)
    expect(await anna.balance()).toEqual({ current: 0.5, withdrawn: 500 })
  })
})
