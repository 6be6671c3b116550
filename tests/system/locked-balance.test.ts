import type { Customer } from "@gofermart/local-stack/customer.ts"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { eventually } from "../harness/eventually.ts"
import { newNumber, newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
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
    const release = await lockBalance(locked)

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
    const refused = await withdraw(locked)
    await expectProblem(refused, 503, "overloaded")
    expect(refused.headers.get("retry-after")).toBe("1")

    await release()
    await expectAllSettledOnce(system, numbers)
  })

  it("leaves others the database's connections, however many withdrawals wait for it", async () => {
    const [locked, other] = await Promise.all([system.register(), system.register()])
    const release = await lockBalance(locked)
    const withdrawals = Promise.all(Array.from({ length: 64 }, () => withdraw(locked)))
    const waiting = async () =>
      await system.database.client.$queryRaw<unknown[]>`
        SELECT FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'
           AND query LIKE '%withdraw(%'`
    await eventually("two of them wait", async () => (await waiting()).length === 2)
    for (let i = 0; i < 8; i++) {
      expect((await other.request("GET", "/api/user/withdrawals")).status).toBe(204)
      expect((await waiting()).length).toBeLessThanOrEqual(2)
    }
    await release()
    expect((await withdrawals).map(({ status }) => status)).toContain(402)
  })

  function withdraw(customer: Customer): Promise<Response> {
    const body = JSON.stringify({ order: newNumber(), sum: 1 })
    return customer.request("POST", "/api/user/balance/withdraw", body, "application/json")
  }

  /** Returns what releases it. */
  async function lockBalance({ login }: Customer): Promise<() => Promise<void>> {
    const { client } = system.database
    const { id } = await client.user.findUniqueOrThrow({ where: { login } })
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
    return async () => {
      release.resolve()
      await lock
    }
  }
})
