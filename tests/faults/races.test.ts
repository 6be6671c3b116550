import type { Customer } from "@gofermart/local-stack/customer.ts"
import { beforeEach, describe, expect, it } from "vitest"
import { holdTransaction, untilWaiting } from "../harness/commits.ts"
import { eventually } from "../harness/eventually.ts"
import { expectOwnAccruals } from "../harness/load.ts"
import { waitLongForLocks } from "../harness/lock-timeouts.ts"
import { newNumber, newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { startSystem, type System } from "../harness/system.ts"

/** Requeue's longest lease in these tests is 5 s, the backoff starts at 1 s; and 30 s. */
const SETTLED_WITHIN_MS = 36_000
/** Of the race for a number; both sides are to have won one. */
const ROUNDS_MIN = 12
const ROUNDS_MAX = 100

describe("requests that race, at two APIs", () => {
  let system: System
  let apiUrls: [string, string]
  beforeEach(async () => {
    system = await startSystem({ backend: "postgresql" })
    const second = await system.addApi()
    apiUrls = [system.apiUrl, second.details["url"] ?? ""]
    await system.simulator.behave({ autoRegister: true })
    // The races begin with everybody waiting.
    await waitLongForLocks(system.database.client)
  })

  /** The status of the answer. The `turn` decides which API is asked. */
  const post = async (
    turn: number,
    customer: Customer,
    path: string,
    type: string,
    body: string,
  ) => {
    const { status } = await fetch(`${apiUrls[turn % 2]}${path}`, {
      method: "POST",
      headers: { authorization: customer.authorization, "content-type": type },
      body,
    })
    return status
  }
  const upload = (turn: number, customer: Customer, number: string) =>
    post(turn, customer, "/api/user/orders", "text/plain", number)
  const withdraw = (turn: number, customer: Customer, order: string, sum: number) => {
    const body = JSON.stringify({ order, sum })
    return post(turn, customer, "/api/user/balance/withdraw", "application/json", body)
  }

  /** A customer with this balance. */
  const richCustomer = async (points: number) => {
    const customer = await system.register()
    const number = newNumber()
    await system.simulator.know(number, points)
    expect(await customer.uploadAndWait(number, 30)).toMatchObject({ accrual: points })
    return customer
  }
  const count = (statuses: number[]) =>
    Object.fromEntries(
      Object.entries(Object.groupBy(statuses, String)).map(([status, all]) => [
        status,
        all?.length,
      ]),
    )

  it("25: 200 withdrawals on a balance that covers 50: 50 succeed, 150 are refused, it is 0", async () => {
    const anna = await richCustomer(50)
    const statuses = await Promise.all(
      newNumbers(200).map((number, i) => withdraw(i, anna, number, 1)),
    )
    expect(count(statuses)).toEqual({ 200: 50, 402: 150 })
    expect(await anna.balance()).toEqual({ current: 0, withdrawn: 50 })
    expect(await anna.withdrawals()).toHaveLength(50)
    await expectAllSettledOnce(system, [], SETTLED_WITHIN_MS)
    await system.database.expectNoneInTransaction()
  })

  it("26: one number uploaded 100 times at once by two users: one 202, the rest 200 or 409", async () => {
    const [anna, boris] = await Promise.all([system.register(), system.register()])
    const numbers = newNumbers(10)
    for (const number of numbers) {
      // All hundred are under way before the first of them is written.
      const holder = await holdNumber(system, number)
      const uploads = Array.from({ length: 100 }, async (_, i) => {
        const customer = i % 4 < 2 ? anna : boris
        return { customer, status: await upload(i, customer, number) }
      })
      await eventually("both APIs wait", async () => {
        return (await untilWaiting(system.database.client, "record_orders", "lock")).length >= 2
      })
      await holder.end("ROLLBACK")
      const answered = await Promise.all(uploads)
      const winner = answered.find(({ status }) => status === 202)?.customer
      const statusesOf = (customer: Customer) =>
        count(answered.filter((one) => one.customer === customer).map(({ status }) => status))
      const loser = winner === anna ? boris : anna
      expect([statusesOf(winner ?? anna), statusesOf(loser)]).toEqual([
        { 200: 49, 202: 1 },
        { 409: 50 },
      ])
      expect((await winner?.orders())?.map((order) => order.number)).toContain(number)
    }
    await expectAllSettledOnce(system, numbers, SETTLED_WITHIN_MS)
    await expectOwnAccruals(system, numbers)
    await system.database.expectNoneInTransaction()
  })

  it("27: a withdrawal claims a number while another uploads it: one owner, the loser keeps all", async () => {
    const anna = await richCustomer(100)
    const boris = await system.register()
    const outcomes: string[] = []
    const uploaded: string[] = []
    for (let i = 0; i < ROUNDS_MIN || (new Set(outcomes).size < 2 && i < ROUNDS_MAX); i++) {
      const number = newNumber()
      const { client } = system.database
      const holder = await holdNumber(system, number)
      const answers = Promise.all([upload(i, boris, number), withdraw(i + 1, anna, number, 1)])
      await untilWaiting(client, "withdraw(", "lock")
      await untilWaiting(client, "record_orders", "lock")
      await holder.end("ROLLBACK")
      const [toUpload, toPay] = await answers
      outcomes.push(`upload ${toUpload}, withdrawal ${toPay}`)
      if (toUpload === 202) uploaded.push(number)
      const { user } = await client.order.findUniqueOrThrow({
        where: { number },
        select: { user: { select: { login: true } } },
      })
      expect(user.login).toBe(toUpload === 202 ? boris.login : anna.login)
    }
    expect(new Set(outcomes)).toEqual(
      new Set(["upload 202, withdrawal 422", "upload 409, withdrawal 200"]),
    )
    const spent = outcomes.length - uploaded.length
    expect(await anna.balance()).toEqual({ current: 100 - spent, withdrawn: spent })
    expect(await anna.withdrawals()).toHaveLength(spent)
    await expectAllSettledOnce(system, uploaded, SETTLED_WITHIN_MS)
    await expectOwnAccruals(system, uploaded)
    await system.database.expectNoneInTransaction()
  })
})

/** Makes whoever inserts the number wait, until the transaction ends. */
async function holdNumber(system: System, number: string) {
  const { id } = await system.database.client.user.findFirstOrThrow()
  const insert = "INSERT INTO orders (user_id, number) VALUES ($1, $2)"
  return holdTransaction(system.database.url, insert, [id, number])
}
