import { Agent, request } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import type { Customer } from "@gofermart/local-stack/customer.ts"
import { expect, it } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { holdCommits, untilWaiting } from "../harness/commits.ts"
import { startOwnDatabase } from "../harness/database.ts"
import { expectOwnAccruals } from "../harness/load.ts"
import { newNumber } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { startSystem, type System } from "../harness/system.ts"

/** Requeue's longest lease in these tests is 5 s, the backoff starts at 1 s; and 30 s. */
const SETTLED_WITHIN_MS = 36_000
const LANES = 24
const LOAD_MS = 1_000
const HELD_MS = 1_000

/** What came of one request: the status of its answer, or the code of its error. */
interface Sent {
  what: "uploads" | "reads"
  number: string
  answeredAt: number
  outcome: number | string
}

/**
 * One connection that asks again as soon as it is answered, until it is told that the connection
 * ends. A client of several instances would then go to another one.
 */
async function keepAsking(apiUrl: string, customer: Customer, what: Sent["what"]): Promise<Sent[]> {
  let isLast = false
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const all: Sent[] = []
  const ask = (number: string) =>
    new Promise<number | string>((resolve) => {
      const path = what === "uploads" ? "/api/user/orders" : "/api/user/balance"
      const headers = { authorization: customer.authorization, "content-type": "text/plain" }
      const method = what === "uploads" ? "POST" : "GET"
      const asked = request(new URL(path, apiUrl), { agent, method, headers }, (response) => {
        isLast = response.headers.connection === "close"
        response.resume()
        response.on("end", () => resolve(response.statusCode ?? 0))
        response.on("error", (error) => resolve(`cut off: ${error.message}`))
      })
      asked.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
      asked.end(what === "uploads" ? number : undefined)
    })
  while (!isLast) {
    const number = newNumber()
    const outcome = await ask(number)
    all.push({ what, number, answeredAt: performance.now(), outcome })
    isLast ||= typeof outcome === "string"
  }
  agent.destroy()
  return all
}

describeOnBackends("the API told to stop", (backend) => {
  let system: System

  it("18: SIGTERM under load: all under way is answered, nothing is reset, it exits with 0", async () => {
    const database = await startOwnDatabase()
    system = await startSystem({ backend, database })
    await system.simulator.behave({ autoRegister: true })
    const customer = await system.register()
    const lanes = Array.from({ length: LANES }, (_, i) =>
      keepAsking(system.apiUrl, customer, i % 2 === 0 ? "uploads" : "reads"),
    )
    await sleep(LOAD_MS)
    // So that uploads are under way for certain; the others go on.
    const commits = await holdCommits(database.url)
    await untilWaiting(database.client, "record_orders", "commit")
    const stoppedAt = performance.now()
    const stopped = system.api.stop()
    await sleep(HELD_MS)
    await commits.release()

    const sent = (await Promise.all(lanes)).flat()
    expect(await stopped).toBe(0)
    const uploads = sent.filter(({ what }) => what === "uploads")
    expect(new Set(sent.map(({ outcome }) => outcome))).toEqual(new Set([200, 202]))
    const underWay = uploads.filter(({ answeredAt }) => answeredAt > stoppedAt)
    expect(underWay.length).toBeGreaterThanOrEqual(LANES / 2)

    const numbers = uploads.map(({ number }) => number)
    await expectAllSettledOnce(system, numbers, SETTLED_WITHIN_MS)
    await expectOwnAccruals(system, numbers)
    await database.expectNoneInTransaction()
  })
})
