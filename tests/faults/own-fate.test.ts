import { setTimeout as sleep } from "node:timers/promises"
import type { Customer } from "@gofermart/local-stack/customer.ts"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createDatabase } from "../harness/database.ts"
import { EventReader } from "../harness/event-reader.ts"
import { eventually } from "../harness/eventually.ts"
import { processed, recordOne, settleOne } from "../harness/ledger.ts"
import { newNumber, newNumbers } from "../harness/numbers.ts"
import { startSystem, type System } from "../harness/system.ts"
import { layTrouble, type Touch, type Trouble } from "../harness/trouble.ts"

/** A promise: whoever shares a batch with an item that fails or hangs is answered in this time. */
const ANSWERED_WITHIN_MS = 2_000
/** No promise: a customer's items that hang run one after the other, each for the server's 10 s. */
const ENDED_WITHIN_MS = 60_000
const OTHERS = 8
/** Not all that are asked for at once come into one batch. */
const ROUNDS = 3
const TROUBLES: Trouble[] = ["fails", "hangs"]

describe("whoever shares a batch with an item", () => {
  let system: System
  let trouble: Awaited<ReturnType<typeof layTrouble>>
  /** What the users in trouble have asked for: it is ended in the meantime. */
  const ended: Promise<number>[] = []

  beforeAll(async () => {
    const database = await createDatabase()
    trouble = await layTrouble(database)
    const env = { DATABASE_URL: trouble.url }
    system = await startSystem({ backend: "postgresql", database, env })
    await system.simulator.behave({ autoRegister: true })
  })
  afterAll(async () => {
    const begun = performance.now()
    const statuses = await Promise.all(ended)
    expect(performance.now() - begun).toBeLessThan(ENDED_WITHIN_MS)
    expect(statuses.filter((status) => status !== 500 && status !== 503)).toEqual([])
    await trouble.end()
    await system.close()
  })

  const registerAll = async () => {
    const customers = Array.from({ length: OTHERS }, () => system.register())
    const [troubled, others] = await Promise.all([system.register(), Promise.all(customers)])
    return { troubled, others }
  }

  /** Resolves with the status of the answer and with how long it took, in milliseconds. */
  const timed = async (request: Promise<Response>) => {
    const begun = performance.now()
    const response = await request
    await response.arrayBuffer()
    return { status: response.status, ms: performance.now() - begun }
  }

  const expectOthersAnswered = async (
    { troubled, others }: { troubled: Customer; others: Customer[] },
    ask: (customer: Customer) => Promise<Response>,
    status: number,
    meanwhile?: () => Promise<void>,
  ) => {
    for (let round = 0; round < ROUNDS; round++) {
      const answers = others.flatMap((other, i) => {
        if (i === OTHERS / 2) ended.push(timed(ask(troubled)).then((answer) => answer.status))
        return timed(ask(other))
      })
      await meanwhile?.()
      for (const answer of await Promise.all(answers)) {
        expect(answer.status).toBe(status)
        expect(answer.ms).toBeLessThan(ANSWERED_WITHIN_MS)
      }
    }
  }

  const balance = (customer: Customer) => customer.request("GET", "/api/user/balance")
  const orders = (customer: Customer) => customer.request("GET", "/api/user/orders")
  const numberOf = new Map<Customer, string>()
  const order = (customer: Customer) =>
    customer.request("GET", `/api/user/orders/${numberOf.get(customer)}`)
  const upload = (customer: Customer) =>
    customer.request("POST", "/api/user/orders", newNumber(), "text/plain")

  const ASKED: [string, Touch, (customer: Customer) => Promise<Response>, number][] = [
    ["an account", "users.SELECT", balance, 200],
    ["a balance", "user_balances.SELECT", balance, 200],
    ["a list of orders", "orders.SELECT", orders, 200],
    ["an order", "orders.SELECT", order, 200],
    ["a count of unfinished orders", "accruals.SELECT", upload, 202],
    ["an upload", "orders.INSERT", upload, 202],
  ]
  for (const troubleOfRow of TROUBLES) {
    it.each(ASKED)(
      `that ${troubleOfRow} is answered within 2 s: %s`,
      async (what, touch, ask, status) => {
        const all = await registerAll()
        // Everybody has a list; and no token has been looked at, nor an order counted, where these are it.
        if (touch === "orders.SELECT") {
          for (const customer of [all.troubled, ...all.others]) {
            const number = newNumber()
            numberOf.set(customer, number)
            await customer.upload(number)
          }
        } else if (touch === "accruals.SELECT") {
          // Its orders are counted when it uploads another one.
          const { client } = system.database
          const where = { login: all.troubled.login }
          await recordOne(client, (await client.user.findUniqueOrThrow({ where })).id)
        } else if (what === "an upload" || touch === "user_balances.SELECT") {
          await Promise.all([all.troubled, ...all.others].map((customer) => upload(customer)))
        }
        await trouble.make(touch, all.troubled.login, troubleOfRow)
        await expectOthersAnswered(all, ask, status)
      },
    )

    it(`that ${troubleOfRow} has its order settled within 2 s`, async () => {
      const { troubled, others } = await registerAll()
      await trouble.make("accruals.UPDATE", troubled.login, troubleOfRow)
      // They are polled at once, and their answers come at once.
      await system.simulator.behave({ autoRegister: true, delayMs: 300 })
      const numbers = newNumbers(OTHERS)
      await Promise.all([
        ...others.map((other, i) => other.upload(numbers[i] ?? "")),
        troubled.upload(newNumber()),
        troubled.upload(newNumber()),
      ])
      const begun = performance.now()
      await eventually("the others' orders are settled", async () => {
        const left = await system.database.client.order.count({
          where: { number: { in: numbers }, accrual: { version: null } },
        })
        return left === 0
      })
      expect(performance.now() - begun).toBeLessThan(ANSWERED_WITHIN_MS + 300)
    })

    it(`that ${troubleOfRow} hears of a verdict within 2 s`, async () => {
      const { client } = system.database
      await system.simulator.behave({ autoRegister: false })
      const { troubled, others } = await registerAll()
      const numbers = newNumbers(OTHERS)
      const last = newNumber()
      await Promise.all(others.map((other, i) => other.upload(numbers[i] ?? "")))
      await troubled.upload(last)
      const wait = (customer: Customer, number: string, seconds = 15) =>
        fetch(`${system.apiUrl}/api/user/orders/${number}`, {
          headers: { authorization: customer.authorization, prefer: `wait=${seconds}` },
        })
      const troubledWait = wait(troubled, last, 4).then(({ status }) => status)
      ended.push(troubledWait)
      const waits = others.map((other, i) => wait(other, numbers[i] ?? ""))
      // They have read their orders, and wait.
      await sleep(500)
      await trouble.make("accruals.SELECT", troubled.login, troubleOfRow)
      // A look has come upon it, and told the others.
      await sleep(1_500)
      const found = await client.order.findMany({ where: { number: { in: numbers } } })
      const begun = performance.now()
      for (const { id } of found) await settleOne(client, id, processed(100))
      const answers = await Promise.all(waits)
      expect(performance.now() - begun).toBeLessThan(ANSWERED_WITHIN_MS)
      for (const answer of answers) {
        expect(await answer.json()).toMatchObject({ status: "PROCESSED" })
      }
      if (troubleOfRow === "fails") expect(await troubledWait).toBe(500)
      await system.simulator.behave({ autoRegister: true })
    })

    it(`that ${troubleOfRow} has its events within 2 s of a look`, async () => {
      const { troubled, others } = await registerAll()
      const readers = [troubled, ...others].map(
        (customer) => new EventReader(`${system.apiUrl}/api/user/events`, customer.authorization),
      )
      await eventually("all follow", async () => readers.every(({ isOpen }) => isOpen))
      await trouble.make("user_balances.SELECT", troubled.login, troubleOfRow)
      await Promise.all(others.map((other) => other.upload(newNumber())))
      const begun = performance.now()
      await eventually("all have heard", async () =>
        readers.slice(1).every(({ events }) => events.length === 1),
      )
      // Between two looks passes a second.
      expect(performance.now() - begun).toBeLessThan(ANSWERED_WITHIN_MS + 1_000)
      for (const reader of readers) reader.close()
    })
  }

  it("that is cancelled is answered within 2 s, and so is its own", async () => {
    const all = await registerAll()
    await Promise.all([all.troubled, ...all.others].map((customer) => balance(customer)))
    await trouble.make("user_balances.SELECT", all.troubled.login, "hangs")
    await expectOthersAnswered(all, balance, 200, async () => {
      await eventually("a batch is cancelled", async () => {
        return (await trouble.cancel("FROM user_balances WHERE")) > 0
      })
    })
  })
})
