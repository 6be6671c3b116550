import { setTimeout as sleep } from "node:timers/promises"
import { expect, it, onTestFinished } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { downSince, startOnSimulator, untilDown, uploadMany } from "../harness/outage.ts"
import { startSystem } from "../harness/system.ts"

const ORDERS = 600
/** For all workers to know, who look once a second. */
const FOUND_OUT_MS = 2_500
const WATCHED_MS = 5_000
const SETTLED_WITHIN_MS = 45_000

describeOnBackends("a scoring system that is down", (backend) => {
  it("is polled once a second by the whole fleet, and at full speed when it is back", async () => {
    const system = await startSystem({ backend, workers: 3 })
    await system.simulator.behave({ autoRegister: true, unavailable: true })
    const numbers = await uploadMany(system, ORDERS)
    await untilDown(system)
    // What was on its way when the first worker found out.
    await sleep(FOUND_OUT_MS)
    const countCalls = async () => (await system.simulator.calls()).length
    const begun = performance.now()
    const before = await countCalls()
    await sleep(WATCHED_MS)
    const during = (await countCalls()) - before
    const watchedMs = performance.now() - begun
    expect(during).toBeGreaterThan(0)
    // One a second, and one on its way at each end.
    expect(during).toBeLessThanOrEqual(watchedMs / 1_000 + 2)
    await system.simulator.behave({ unavailable: false })
    await expectAllSettledOnce(system, numbers, SETTLED_WITHIN_MS)
    expect(await downSince(system)).toBeUndefined()
  })

  it("because of a SIGSTOP is found out, and its orders are settled when it is back", async () => {
    const { system, simulator } = await startOnSimulator(backend)
    onTestFinished(async () => {
      simulator.kill("SIGCONT")
      await simulator.stop()
    })
    simulator.kill("SIGSTOP")
    const numbers = await uploadMany(system, ORDERS)
    await untilDown(system)
    simulator.kill("SIGCONT")
    await expectAllSettledOnce(system, numbers, SETTLED_WITHIN_MS)
    expect(await downSince(system)).toBeUndefined()
  })
})
