import type { Customer } from "@gofermart/local-stack/customer.ts"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { processed, settleOne } from "../harness/ledger.ts"
import { newNumber } from "../harness/numbers.ts"
import { expectOwnExplained } from "../harness/invariants.ts"
import { expectProblem } from "../harness/problem.ts"
import { joinSharedSystem, type SharedSystem } from "../harness/shared-system.ts"

describe("a withdrawal with an Idempotency-Key", () => {
  let system: SharedSystem
  let anna: Customer
  beforeAll(async () => {
    system = await joinSharedSystem()
  })
  beforeEach(async () => {
    anna = await system.register()
  })
  afterAll(() => expectOwnExplained(system))

  const earn = async (customer: Customer, hundredths: number) => {
    const number = newNumber()
    await customer.upload(number)
    const { id } = await system.database.client.order.findUniqueOrThrow({ where: { number } })
    await settleOne(system.database.client, id, processed(hundredths))
  }
  const withdraw = (
    key: string,
    order: string,
    sum: number,
    customer = anna,
    apiUrl = system.apiUrl,
  ) =>
    fetch(`${apiUrl}/api/user/balance/withdraw`, {
      method: "POST",
      headers: {
        authorization: customer.authorization,
        "content-type": "application/json",
        "idempotency-key": key,
      },
      body: JSON.stringify({ order, sum }),
    })

  it("debits once when it is sent fifty times at once, and answers all fifty alike", async () => {
    await earn(anna, 100_00)
    const order = newNumber()
    const other = await system.addApi()
    const sent = Array.from({ length: 50 }, (_, i) =>
      withdraw("pay-1", order, 10, anna, i % 2 === 0 ? system.apiUrl : other.details["url"]),
    )
    const answers = await Promise.all(
      (await Promise.all(sent)).map(async (response) => [response.status, await response.text()]),
    )
    expect(answers).toEqual(Array.from({ length: 50 }, () => [200, ""]))
    expect(await anna.balance()).toEqual({ current: 90, withdrawn: 10 })
    expect(await anna.withdrawals()).toHaveLength(1)
  })

  it("may be tried again under its key after it was refused, and then succeeds once", async () => {
    const order = newNumber()
    for (let i = 0; i < 2; i++) {
      await expectProblem(await withdraw("pay-2", order, 10), 402, "not_enough_points")
    }
    await earn(anna, 15_00)
    expect((await withdraw("pay-2", order, 10)).status).toBe(200)
    expect((await withdraw("pay-2", order, 10)).status).toBe(200)
    expect(await anna.balance()).toEqual({ current: 5, withdrawn: 10 })
  })

  it("is refused when the key stands for another one", async () => {
    await earn(anna, 100_00)
    const order = newNumber()
    expect((await withdraw("pay-3", order, 10)).status).toBe(200)
    const otherSum = await withdraw("pay-3", order, 10.01)
    await expectProblem(otherSum, 422, "idempotency_key_reused")
    const otherOrder = await withdraw("pay-3", newNumber(), 10)
    await expectProblem(otherOrder, 422, "idempotency_key_reused")
    expect(await anna.balance()).toEqual({ current: 90, withdrawn: 10 })
  })

  it("shares no key with another user", async () => {
    const boris = await system.register()
    await earn(anna, 100_00)
    await earn(boris, 100_00)
    expect((await withdraw("pay-4", newNumber(), 10)).status).toBe(200)
    expect((await withdraw("pay-4", newNumber(), 20, boris)).status).toBe(200)
    expect(await boris.balance()).toEqual({ current: 80, withdrawn: 20 })
  })

  it("debits every time without a key", async () => {
    await earn(anna, 100_00)
    const order = newNumber()
    await anna.withdraw(order, 10)
    await anna.withdraw(order, 10)
    expect(await anna.balance()).toEqual({ current: 80, withdrawn: 20 })
  })

  it("takes a key of up to 255 characters", async () => {
    await earn(anna, 100_00)
    expect((await withdraw("k".repeat(255), newNumber(), 1)).status).toBe(200)
    const long = await withdraw("k".repeat(256), newNumber(), 1)
    await expectProblem(long, 400, "malformed_request")
    await expectProblem(await withdraw("", newNumber(), 1), 400, "malformed_request")
  })
})
