import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { eventually } from "../harness/eventually.ts"
import { newNumber, newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/oracle.ts"
import { expectProblem } from "../harness/problem.ts"
import { startSystem, type System } from "../harness/system.ts"

describe("a balance that somebody else has locked", () => {
  let system: System
  beforeAll(async () => {
    system = await startSystem({ backend: "postgresql" })
    await system.simulator.behave({ autoRegister: true })
  })
  afterAll(() => system.close())

  it("holds up its user alone: the others' orders settle meanwhile, and its own afterwards", async () => {
    const [locked, ...others] = await Promise.all([
      system.register(),
      system.register(),
      system.register(),
    ])
    if (locked === undefined) throw new Error("there is no user")
    const { client } = system.database
    const { id } = await client.user.findUniqueOrThrow({ where: { login: locked.login } })
    const release = Promise.withResolvers<void>()
    const isLocked = Promise.withResolvers<void>()
    const lock = client.$transaction(
      async (transaction) => {
        await transaction.$queryRaw`SELECT FROM user_balances WHERE user_id = ${id} FOR UPDATE`
        isLocked.resolve()
        await release.promise
      },
      { timeout: 60_000 },
    )
    await isLocked.promise

    const numbers = [...newNumbers(40), newNumber(), newNumber()]
    const uploaders = [...Array.from({ length: 40 }, () => locked), ...others]
    await Promise.all(uploaders.map((customer, i) => customer.upload(numbers[i] ?? "")))
    for (const other of others) {
      await eventually("another user's order is settled", async () => {
        const [order] = await other.orders()
        return order?.status === "PROCESSED"
      })
    }
    expect((await locked.orders())[0]?.status).toBe("PROCESSING")
    const body = JSON.stringify({ order: newNumber(), sum: 1 })
    const path = "/api/user/balance/withdraw"
    const refused = await locked.request("POST", path, body, "application/json")
    await expectProblem(refused, 503, "overloaded")
    expect(refused.headers.get("retry-after")).toBe("1")

    release.resolve()
    await lock
    await expectAllSettledOnce(system, numbers)
  })
})
