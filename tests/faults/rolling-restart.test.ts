import { setTimeout as sleep } from "node:timers/promises"
import { Customer } from "@gofermart/local-stack/customer.ts"
import { afterEach, expect, it } from "vitest"
import { expectSound } from "./after-a-fault.ts"
import { Traffic } from "./traffic.ts"
import { describeOnBackends } from "../harness/backends.ts"
import { newLogin } from "../harness/numbers.ts"
import { startSystem, type System } from "../harness/system.ts"
import { type Balancer, startBalancer } from "../harness/balancer.ts"
import { replaceApi, replaceWorker } from "./replace.ts"

/** Requeue's longest lease in these tests is 5 s, the backoff starts at 1 s; and 30 s. */
const SETTLED_WITHIN_MS = 36_000
const CUSTOMERS = 4
const READERS = 4
/** Between the requests of one lane, so that what is uploaded is also settled meanwhile. */
const REST_MS = 20
/** Of load before, between and after the restarts. */
const LOAD_MS = 500
describeOnBackends("All processes restarted one after the other", (backend) => {
  let system: System
  let balancer: Balancer
  afterEach(async () => {
    await balancer.close()
    await system.close()
  })

  it("under load: no request fails, every order is settled once, each exits with 0", async ({
    annotate,
  }) => {
    system = await startSystem({ backend, workers: 2 })
    await system.simulator.behave({ autoRegister: true, pendingAnswers: 1 })
    const apis = [system.api, await system.addApi()]
    balancer = await startBalancer(apis.map(({ details }) => details["url"] ?? ""))
    const { url } = balancer
    const customers = await Promise.all(
      Array.from({ length: CUSTOMERS }, () => Customer.register(url, newLogin())),
    )
    const traffic = Traffic.begin(customers, REST_MS)
    const reading = new AbortController()
    const readers = Array.from({ length: READERS }, (_, i) =>
      keepReading(customers[i % CUSTOMERS], reading.signal),
    )

    await sleep(LOAD_MS)
    for (const api of apis) {
      await replaceApi(system, api)
      await sleep(LOAD_MS)
    }
    for (const worker of system.workers.slice()) {
      await replaceWorker(system, worker)
      await sleep(LOAD_MS)
    }
    await traffic.stop()
    reading.abort()
    const reads = await Promise.all(readers)

    const missed = [...balancer.missed].map(([code, times]) => `${times} × ${code}`).join(", ")
    const answers = [...traffic.answers].map(([answer, times]) => `${times} × ${answer}`).join(", ")
    const read = reads.reduce((sum, count) => sum + count, 0)
    await annotate(`${answers}, ${read} × read; APIs not there: ${missed || "never"}`)
    expect(balancer.failures).toEqual([])
    expect(balancer.inVain).toBe(0)
    expect([...traffic.answers.keys()].filter((answer) => /503|no answer/.test(answer))).toEqual([])
    expect(traffic.withdrawals.size).toBeGreaterThan(0)
    await expectSound(system, traffic, SETTLED_WITHIN_MS)
  })
})

/** Reads a balance again and again; resolves with how often. A refusal rejects. */
async function keepReading(customer: Customer | undefined, signal: AbortSignal): Promise<number> {
  let reads = 0
  for (; !signal.aborted; reads++) {
    await customer?.balance()
    await sleep(REST_MS)
  }
  return reads
}
