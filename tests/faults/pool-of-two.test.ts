import { describe, expect, it } from "vitest"
import { eventually } from "../harness/eventually.ts"
import { holdTransaction, untilWaiting } from "../harness/commits.ts"
import { expectOwnAccruals } from "../harness/load.ts"
import { newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { startSystem, type System } from "../harness/system.ts"

/** Requeue's longest lease in these tests is 5 s, the backoff starts at 1 s; and 30 s. */
const SETTLED_WITHIN_MS = 36_000
const CLIENTS = 200
const CUSTOMERS = 10

describe("an API with two connections", () => {
  let system: System

  it("23: 200 clients at once are served, or told when to come back; nothing leaks", async () => {
    const apiEnv = { DATABASE_CONNECTIONS_MAX: "2" }
    system = await startSystem({ backend: "postgresql", apiEnv })
    const { client, url } = system.database
    await system.simulator.behave({ autoRegister: true })
    const customers = await Promise.all(Array.from({ length: CUSTOMERS }, () => system.register()))
    const acknowledged: string[] = []
    let refusals = 0

    /** Half of them upload, the others ask for their balance. */
    const allAtOnce = async () => {
      const answers = newNumbers(CLIENTS).map(async (number, i) => {
        const customer = customers[i % CUSTOMERS]
        const response =
          i < CLIENTS / 2
            ? await customer?.request("POST", "/api/user/orders", number, "text/plain")
            : await customer?.request("GET", "/api/user/balance")
        if (response?.status === 202) acknowledged.push(number)
        if (response?.status === 503) refusals += 1
        return { status: response?.status, retryAfter: response?.headers.get("retry-after") }
      })
      return Promise.all(answers)
    }
    const served = (answers: Awaited<ReturnType<typeof allAtOnce>>) =>
      answers.filter(({ status }) => status === 200 || status === 202)

    expect(served(await allAtOnce())).toHaveLength(CLIENTS)

    // Two who read an order have both connections, and keep them for as long as this holds.
    const read = newNumbers(2)
    for (const [i, number] of read.entries()) await customers[i]?.upload(number)
    acknowledged.push(...read)
    const held = await holdTransaction(url, "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
    const readers = customers
      .slice(0, 2)
      .map((customer, i) => customer.request("GET", `/api/user/orders/${read[i]}`))
    await untilWaiting(client, "o.number =", "lock")
    const answers = allAtOnce()
    await eventually("some are refused", async () => refusals > 0)
    // Busy is not unable to write: no load balancer is to take this instance out for it.
    expect((await fetch(`${system.apiUrl}/readyz`)).status).toBe(200)
    await held.end("ROLLBACK")
    const refused = (await answers).filter(({ status }) => status === 503)
    expect(refused.length).toBeGreaterThan(0)
    expect(refused.filter(({ retryAfter }) => retryAfter !== "1")).toEqual([])
    expect(served(await answers).length + refused.length).toBe(CLIENTS)
    const answered = await Promise.all(readers)
    expect(answered.map(({ status }) => status)).toEqual([200, 200])

    expect(served(await allAtOnce())).toHaveLength(CLIENTS)
    const [open] = await client.$queryRaw<{ count: number }[]>`
      SELECT count(*)::int AS count FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'gofermart-api'`
    expect(open?.count).toBeLessThanOrEqual(2)
    await expectAllSettledOnce(system, acknowledged, SETTLED_WITHIN_MS)
    await expectOwnAccruals(system, acknowledged)
    await system.database.expectNoneInTransaction()
  })
})
