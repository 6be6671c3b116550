import { parseOrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { recordOrders } from "@gofermart/shared/ledger/record-orders.ts"
import { afterAll, beforeAll, expect, it } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import { expectExplained } from "../harness/invariants.ts"
import { startSystem, type System } from "../harness/system.ts"

describeOnBackends("an order goes in, points come out", (backend) => {
  let system: System
  beforeAll(async () => {
    system = await startSystem({ backend, env: { SCORING_UNREGISTERED_GRACE: "2s" } })
  })
  afterAll(async () => {
    await expectExplained(system)
    await system.close()
  })

  it("earns, spends and keeps to the hundredth", async () => {
    const anna = await system.register()
    const number = newNumber()
    await system.simulator.mechanic("kettle", 5, "%")
    await system.simulator.order(number, [
      { description: "headphones", price: 47_399.99 },
      { description: "kettle", price: 14_599.5 },
    ])
    expect(await anna.upload(number)).toBe(202)
    const [settled] = await eventually("the order is settled", async () => {
      const orders = await anna.orders()
      return orders[0]?.status === "PROCESSING" ? undefined : orders
    })
    expect(settled).toMatchObject({ number, status: "PROCESSED", accrual: 729.98 })
    expect(await anna.balance()).toEqual({ current: 729.98, withdrawn: 0 })

    const paid = newNumber()
    await anna.withdraw(paid, 100.01)
    expect(await anna.balance()).toEqual({ current: 629.97, withdrawn: 100.01 })
    expect(await anna.withdrawals()).toMatchObject([{ order: paid, sum: 100.01 }])
    expect(await anna.orders()).toHaveLength(1)

    const boris = await system.register()
    const refused = await boris.request("POST", "/api/user/orders", paid, "text/plain")
    expect(refused.status).toBe(409)
    expect(await anna.upload(paid)).toBe(202)
  })

  it("polls again until the verdict is there", async () => {
    const anna = await system.register()
    const number = newNumber()
    await system.simulator.know(number, 10)
    await system.simulator.behave({ pendingAnswers: 2 })
    await anna.upload(number)
    await eventually("the order is settled", async () => {
      const [order] = await anna.orders()
      return order?.status === "PROCESSED"
    })
    await system.simulator.behave({ pendingAnswers: 0 })
    const calls = (await system.simulator.calls()).filter((call) => call.number === number)
    expect(calls).toHaveLength(3)
    expect(await anna.balance()).toEqual({ current: 10, withdrawn: 0 })
  })

  it("settles and shows an order of zeros alone, from before such numbers were refused", async () => {
    const anna = await system.register()
    const number = parseOrderNumber("0000") ?? expect.fail("it was an order number")
    const { client } = system.database
    const { id: userId } = await client.user.findUniqueOrThrow({ where: { login: anna.login } })
    await system.simulator.know(number, 10)
    await recordOrders(client, [{ userId, number }], 0)
    await eventually("the order is settled", async () => {
      const [order] = await anna.orders()
      return order?.status === "PROCESSED"
    })
    const shown = await anna.request("GET", `/api/user/orders/${number}`)
    expect(await shown.json()).toMatchObject({ number, status: "PROCESSED", accrual: 10 })
    const again = await anna.request("POST", "/api/user/orders", number, "text/plain")
    expect(again.status).toBe(422)
  })

  it("gives an unknown order up after the grace time, and takes it up again", async () => {
    const anna = await system.register()
    const number = newNumber()
    const statusIs = (expected: string) =>
      eventually(`the order is ${expected}`, async () => {
        const [order] = await anna.orders()
        return order?.status === expected
      })
    await anna.upload(number)
    expect((await anna.orders())[0]?.status).toBe("PROCESSING")
    await statusIs("INVALID")
    const polls = (await system.simulator.calls()).filter((call) => call.number === number)
    expect(polls.length).toBeGreaterThan(1)
    const firstSpan = (polls.at(-1)?.at ?? 0) - (polls[0]?.at ?? 0)
    expect(firstSpan).toBeGreaterThanOrEqual(1_900)

    expect(await anna.upload(number)).toBe(202)
    expect((await anna.orders())[0]?.status).toBe("PROCESSING")
    await system.simulator.know(number, 33.3)
    await statusIs("PROCESSED")
    expect(await anna.balance()).toEqual({ current: 33.3, withdrawn: 0 })
  })
})
