import { setTimeout as sleep } from "node:timers/promises"
import { Customer } from "@gofermart/local-stack/customer.ts"
import { freePort } from "@gofermart/local-stack/ports.ts"
import { expect, it } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { holdCommits, untilWaiting } from "../harness/commits.ts"
import { startOwnDatabase, type TestDatabase } from "../harness/database.ts"
import { eventually } from "../harness/eventually.ts"
import { newLogin, newNumber } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { expectProblem } from "../harness/problem.ts"
import { startSystem, type System } from "../harness/system.ts"
import { expectSound } from "./after-a-fault.ts"
import { Traffic } from "./traffic.ts"

/** Requeue's longest lease in these tests is 5 s, the backoff starts at 1 s; and 30 s. */
const SETTLED_WITHIN_MS = 36_000
const LOAD_MS = 1_000
const TERMINATIONS = 10
const BETWEEN_TERMINATIONS_MS = 200

/** Ends every connection but those of the tests, and says whose there were. */
async function terminateAll({ client }: TestDatabase): Promise<string[]> {
  const ended = await client.$queryRaw<{ application: string }[]>`
    SELECT application_name AS application, pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name <> 'tests'`
  return ended.map(({ application }) => application)
}

/** Nobody was left without an answer, and after the fault there are good ones again. */
function expectAnswered(traffic: Traffic): void {
  expect([...traffic.answers.keys()].filter((answer) => /no answer/.test(answer))).toEqual([])
}

describeOnBackends("PostgreSQL away", (backend) => {
  let system: System

  it("19: every connection terminated, also around COMMIT: repeated or 503, no second debit", async () => {
    const database = await startOwnDatabase()
    system = await startSystem({ backend, workers: 2, database })
    const traffic = await Traffic.start(system)
    const anna = await system.register()
    const earned = newNumber()
    await anna.uploadAndWait(earned, 30)
    const ended: string[] = []
    for (let i = 0; i < TERMINATIONS; i++) {
      ended.push(...(await terminateAll(database)))
      await sleep(BETWEEN_TERMINATIONS_MS)
    }
    expect(ended).toContain("gofermart-api")
    expect(ended).toContain("gofermart-accrual-worker")
    const before = traffic.uploads.size
    await eventually("uploads go on", async () => traffic.uploads.size > before)
    await traffic.stop()
    expectAnswered(traffic)

    // Done and committed, and the connection breaks before it says so.
    const [uploaded, paid] = [newNumber(), newNumber()]
    const commits = await holdCommits(database.url)
    const answers = Promise.all([anna.upload(uploaded), anna.withdraw(paid, 0.01)])
    await untilWaiting(database.client, "record_orders", "commit")
    await untilWaiting(database.client, "withdraw(", "commit")
    expect(await terminateAll(database)).toContain("gofermart-api")
    await eventually("both are committed", async () => {
      const numbers = [uploaded, paid]
      return (await database.client.order.count({ where: { number: { in: numbers } } })) === 2
    })
    await commits.release()
    expect(await answers).toEqual([200, undefined])
    expect(await anna.withdrawals()).toMatchObject([{ order: paid, sum: 0.01 }])
    await expectAllSettledOnce(system, [earned, uploaded], SETTLED_WITHIN_MS)
    // It had no key of its own: the API made one. The comparison is to know that somebody asked for it.
    const { idempotencyKey } = await database.client.withdrawal.findFirstOrThrow({
      where: { order: { number: paid } },
    })
    const withdrawal = { login: anna.login, order: paid, hundredths: 1 }
    traffic.attempted.set(idempotencyKey ?? "", withdrawal)
    await expectSound(system, traffic, SETTLED_WITHIN_MS)
  })

  it("20: PostgreSQL crashes under load: 503 meanwhile, every 202 is still there", async () => {
    const database = await startOwnDatabase()
    system = await startSystem({ backend, workers: 2, database })
    const traffic = await Traffic.start(system)
    const anna = await system.register()
    await sleep(LOAD_MS * 2)
    await database.server.stop("immediate")
    const refused = await anna.request("POST", "/api/user/orders", newNumber(), "text/plain")
    expect(refused.headers.get("retry-after")).toBe("1")
    await expectProblem(refused, 503, "unavailable")
    await eventually("the API is not ready", async () => {
      return (await fetch(`${system.apiUrl}/readyz`)).status === 503
    })
    expect((await fetch(`${system.apiUrl}/healthz`)).status).toBe(200)
    await eventually("others are refused", async () => traffic.answers.has("upload 503"))
    const before = traffic.uploads.size
    await database.server.start()
    await sleep(LOAD_MS)
    await eventually("uploads go on", async () => traffic.uploads.size > before)
    await traffic.stop()
    expectAnswered(traffic)
    await expectSound(system, traffic, SETTLED_WITHIN_MS)
  })

  it("21: PostgreSQL away at start-up: it waits and says so, and is ready when it comes", async () => {
    const database = await startOwnDatabase()
    system = await startSystem({ backend, workers: 0, database })
    await system.simulator.behave({ autoRegister: true })
    await database.server.stop()
    const address = `127.0.0.1:${await freePort()}`
    const api = system.addApi({ RUN_ADDRESS: address })
    const worker = system.addWorker()
    const readiness = () =>
      fetch(`http://${address}/readyz`).then(
        ({ status }) => status,
        () => undefined,
      )
    await eventually("the new API listens", async () => (await readiness()) !== undefined)
    expect(await readiness()).toBe(503)
    try {
      for (const service of ["api", "accrual-worker"]) {
        const line = new RegExp(`"service":"${service}".*"waiting for the [^"]*database"`)
        const isSaid = async () => line.test(await system.logs())
        await eventually(`${service} says that it waits`, isSaid, 10_000)
      }
    } finally {
      await database.server.start()
    }
    await Promise.all([api, worker])
    await eventually("it is ready", async () => (await readiness()) === 200)
    const anna = await Customer.register(`http://${address}`, newLogin())
    const number = newNumber()
    expect(await anna.upload(number)).toBe(202)
    await expectAllSettledOnce(system, [number], SETTLED_WITHIN_MS)
    await database.expectNoneInTransaction()
  })
})
