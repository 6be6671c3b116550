import type { Customer } from "@gofermart/local-stack/customer.ts"
import { beforeAll, beforeEach, describe, expect, it } from "vitest"
import { eventually } from "../harness/eventually.ts"
import { settleOne } from "../harness/ledger.ts"
import { newNumber } from "../harness/numbers.ts"
import { expectProblem } from "../harness/problem.ts"
import { joinSharedSystem, type SharedSystem } from "../harness/shared-system.ts"

/** Neither has to do with the other, so one instance has both. */
const SETTINGS = { UNFINISHED_ORDERS_MAX: "2", WITHDRAWAL_ORDERS: "owned" }

describe("an instance with settings of its own", () => {
  let system: SharedSystem
  let apiUrl: string | undefined
  let vera: Customer
  beforeAll(async () => {
    system = await joinSharedSystem()
    apiUrl = (await system.addApi(SETTINGS)).details["url"]
  })
  beforeEach(async () => {
    vera = await system.register()
  })

  const post = (path: string, type: string, body: string) =>
    fetch(`${apiUrl}/api/user/${path}`, {
      method: "POST",
      headers: { authorization: vera.authorization, "content-type": type },
      body,
    })
  const upload = (number: string) => post("orders", "text/plain", number)

  it("takes no more of a user who has as many unfinished orders as they may", async () => {
    const [first, second, third] = [newNumber(), newNumber(), newNumber()]
    // One was uploaded through another instance.
    await vera.upload(first)
    expect((await upload(second)).status).toBe(202)
    const refused = await upload(third)
    expect(refused.headers.get("retry-after")).toBe("60")
    expect(refused.headers.get("ratelimit-policy")).toBe('"unfinished-orders";q=2')
    expect(refused.headers.get("ratelimit")).toBe('"unfinished-orders";r=0;t=60')
    await expectProblem(refused, 429, "too_many_unfinished_orders")
    expect((await upload(first)).status).toBe(200)
    const boriss = newNumber()
    await (await system.register()).upload(boriss)
    await expectProblem(await upload(boriss), 409, "order_taken")

    const { client } = system.database
    const { id } = await client.order.findUniqueOrThrow({ where: { number: second } })
    for (let i = 0; i < 2; i++) await settleOne(client, id, { kind: "NOT_REGISTERED" }, 0)
    expect(await client.order.count({ where: { number: third } })).toBe(0)
    await eventually("there is room again", async () => (await upload(third)).status === 202)
    await expectProblem(await upload(second), 429, "too_many_unfinished_orders")
  })

  it("refuses a withdrawal for a number that nobody uploaded", async () => {
    const body = JSON.stringify({ order: newNumber(), sum: 1 })
    const response = await post("balance/withdraw", "application/json", body)
    await expectProblem(response, 422, "order_not_yours")
  })
})
