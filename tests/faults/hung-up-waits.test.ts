import { fork } from "node:child_process"
import { once } from "node:events"
import { setTimeout as sleep } from "node:timers/promises"
import type { Customer } from "@gofermart/local-stack/customer.ts"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import { startSystem, type System } from "../harness/system.ts"
import { scrape } from "../harness/exposition.ts"

const USERS = 25
const NETWORKS = 5
const WAITS_PER_USER = 80
const OTHERS = 10
const PAUSE_MS = 5
const MEASURED_MS = 10_000
/** A promise: what others wait for an answer, against what they wait while nothing happens. */
const P99_RATIO_MAX = 2

describe(`${USERS * WAITS_PER_USER} requests that wait for an order and hang up together`, () => {
  let system: System
  let others: { customer: Customer; number: string }[]
  beforeAll(async () => {
    const env = { TRUSTED_PROXIES: "127.0.0.1" }
    system = await startSystem({ backend: "postgresql", workers: 0, apiEnv: env })
    others = await registerWithOrder(OTHERS)
  })
  afterAll(() => system.close())

  const registerWithOrder = (count: number) =>
    Promise.all(
      Array.from({ length: count }, async () => {
        const customer = await system.register()
        const number = newNumber()
        await customer.upload(number)
        return { customer, number }
      }),
    )

  /** What others have waited for answers until `signal` aborts, in milliseconds, and the statuses. */
  const measure = async (signal: AbortSignal) => {
    const took: number[] = []
    const statuses = new Set<number>()
    await Promise.all(
      others.map(async ({ customer, number }) => {
        while (!signal.aborted) {
          const begun = performance.now()
          const response = await customer.request("GET", `/api/user/orders/${number}`)
          await response.arrayBuffer()
          took.push(performance.now() - begun)
          statuses.add(response.status)
          await sleep(PAUSE_MS)
        }
      }),
    )
    const sorted = took.toSorted((a, b) => a - b)
    const p99 = sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0
    return { p99, statuses: [...statuses], requests: took.length }
  }

  /** How many orders have been read for requests. */
  const reads = async () =>
    (await scrape(system.operatorsUrl)).get('gofermart_batch_items_sum{batch="orders"}') ?? 0

  it("51: leave others a p99 of twice what it is without them, and no 503", async () => {
    const waiting = (await registerWithOrder(USERS)).map(({ customer, number }, i) => {
      const network = `203.0.113.${i % NETWORKS}`
      return `${network} ${customer.authorization.replace("Bearer ", "")} ${number}`
    })
    const [first] = others
    if (first === undefined) throw new Error("there is nobody else")
    await measure(AbortSignal.timeout(MEASURED_MS / 5))
    const idle = await measure(AbortSignal.timeout(MEASURED_MS))

    const program = new URL("waiting-clients.ts", import.meta.url)
    const url = `${system.apiUrl}/api/user/orders/NUMBER`
    const clients = fork(program, [url, `${WAITS_PER_USER}`, ...waiting])
    await once(clients, "message")
    await eventually("as many wait as may", async () => {
      const headers = { authorization: first.customer.authorization, prefer: "wait=0" }
      const response = await fetch(url.replace("NUMBER", first.number), { headers })
      return !response.headers.has("preference-applied")
    })
    const readBefore = await reads()
    const measured = measure(AbortSignal.timeout(MEASURED_MS))
    clients.kill("SIGKILL")
    const { p99, statuses, requests } = await measured
    process.stdout.write(`p99 of others: ${idle.p99.toFixed(1)} ms, then ${p99.toFixed(1)} ms\n`)
    expect(statuses).toEqual([200])
    // Nothing for whoever has hung up.
    expect((await reads()) - readBefore).toBe(requests)
    expect(p99).toBeLessThanOrEqual(idle.p99 * P99_RATIO_MAX)
    expect(await system.logs()).not.toContain("the database is not available")
  })
})
