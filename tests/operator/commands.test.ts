import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { newNumber, newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { startSystem, type System } from "../harness/system.ts"
import { sendCredentials } from "../refusals/requests.ts"
import { operate, runProgram } from "./run.ts"

/** Nothing listens there. */
const NOWHERE = "127.0.0.1:9"

describe("the operators' commands", () => {
  let system: System
  beforeAll(async () => {
    system = await startSystem({ backend: "postgresql" })
    await system.simulator.behave({ autoRegister: true })
  })
  afterAll(() => system.close())

  it("tell of a user: the balance, where the orders stand, and what changed the balance", async () => {
    const anna = await system.register()
    const number = newNumber()
    await anna.upload(number)
    await expectAllSettledOnce(system, [number])
    const { current } = await anna.balance()
    const spent = newNumber()
    await anna.withdraw(spent, 0.5)
    const { code, said } = await operate(system, "user", anna.login)
    expect(code).toBe(0)
    expect(said).toContain(`balance      ${(current - 0.5).toFixed(2)}, version 2\n`)
    expect(said).toContain("withdrawn    0.50\n")
    expect(said).toContain("orders       1 not uploaded, 1 PROCESSED\n")
    const lines = said.split("\n").filter((line) => line.startsWith("version "))
    expect(lines).toEqual([
      `version 2    -0.50, order ${spent}, ${(current - 0.5).toFixed(2)} after it`,
      `version 1    +${current.toFixed(2)} (PROCESSED), order ${number}, ${current.toFixed(2)} after it`,
    ])
    expect(await operate(system, "user", "nobody")).toEqual({
      code: 1,
      said: 'There is no user "nobody".\n',
    })
  })

  it("show what nobody sees in a login as JSON writes it, as the order's page does", async () => {
    const anna = await system.register()
    const number = newNumber()
    await anna.upload(number)
    // From before such logins were refused.
    const login = `${anna.login}\u202e\u200b`
    await system.database.client.user.update({ where: { login: anna.login }, data: { login } })
    const shown = `user         ${anna.login}\\u202e\\u200b`
    const page = await fetch(`${system.operatorsUrl}/orders/${number}`)
    expect(await page.text()).toContain(`${shown}\n`)
    expect((await operate(system, "order", number)).said).toContain(`${shown}\n`)
    expect((await operate(system, "user", login)).said).toContain(`${shown}, id `)
    const password = `the password of ${anna.login}`
    expect((await sendCredentials(system.apiUrl, "login", login, password)).status).toBe(200)
  })

  it("verify: 0 when every balance is explained, 1 and whose it is when not", async () => {
    const bob = await system.register()
    const { client } = system.database
    expect(await operate(system, "verify")).toMatchObject({
      code: 0,
      said: expect.stringContaining("Every balance is explained to the hundredth."),
    })
    const { id: userId } = await client.user.findUniqueOrThrow({ where: { login: bob.login } })
    await client.userBalance.update({ where: { userId }, data: { accrual: 1 } })
    const { code, said } = await operate(system, "verify")
    await client.userBalance.update({ where: { userId }, data: { accrual: 0 } })
    expect(code).toBe(1)
    expect(said).toContain(`WRONG        ${bob.login}: the balance is 1.00, the rows say 0.00`)
  })

  it("recheck: 0 when the scoring system stands by what the workers have settled", async () => {
    const anna = await system.register()
    const numbers = newNumbers(3)
    for (const number of numbers) await anna.upload(number)
    await expectAllSettledOnce(system, numbers)
    const now = Temporal.Now.instant()
    const from = now.subtract({ hours: 1 }).toString()
    const to = now.add({ hours: 1 }).toString()
    const env = { DATABASE_URL: system.database.url, SCORING_URL: system.simulator.url }
    const range = ["--from", from, "--to", to, "--pace", "600"]
    const { code, said } = await runProgram(env, ["recheck", ...range])
    expect(said).toMatch(/^polled {7}(\d+)\nsame {9}\1\n/)
    expect(code).toBe(0)
  })

  it.each([
    { args: [], says: "Usage: gofermart" },
    { args: ["nothing"], says: "unknown command 'nothing'" },
    { args: ["order"], says: "missing required argument 'number'" },
    { args: ["order", "12345"], says: "An order number is digits that pass the Luhn check." },
    { args: ["requeue"], says: "requeue needs an order's number, or --all" },
    { args: ["requeue", "2377225624", "--all"], says: "requeue needs an order's number, or --all" },
  ])("given $args: 2, and what is wrong with it", async ({ args, says }) => {
    const ended = await operate(system, ...args)
    expect(ended.said).toContain(says)
    expect(ended.code).toBe(2)
  })

  it("help: 0, with every command", async () => {
    const { code, said } = await runProgram({}, ["--help"])
    expect(code).toBe(0)
    for (const command of ["verify", "order", "user", "requeue", "contradictions", "recheck"])
      expect(said).toContain(command)
  })

  it("without settings: 78; with a database or a queue that is away: 2, and no secret", async () => {
    const nowhere = `postgresql://gofermart:a-secret@${NOWHERE}/gofermart`
    const unset = await runProgram({}, ["verify"])
    expect(unset).toMatchObject({ code: 78, said: expect.stringContaining("DATABASE_URL must be") })
    const away = await runProgram({ DATABASE_URL: nowhere }, ["verify"])
    expect(away.code).toBe(2)
    expect(away.said).not.toContain("a-secret")
    const env = { DATABASE_URL: system.database.url, QUEUE_URL: `redis://:a-secret@${NOWHERE}` }
    const anna = await system.register()
    const number = newNumber()
    await anna.upload(number)
    const queueless = await runProgram(env, ["order", number])
    expect(queueless).toMatchObject({
      code: 2,
      said: expect.stringContaining(`user         ${anna.login}\n`),
    })
    expect(queueless.said).toMatch(/^job          not known: the queue does not answer \(.+\)$/m)
    expect(queueless.said).not.toContain("a-secret")
  })
})
