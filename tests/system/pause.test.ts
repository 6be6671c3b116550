import { afterAll, beforeAll, expect, it } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/oracle.ts"
import { startSystem, type System } from "../harness/system.ts"

const WINDOW_MS = 4_000
/** How much later than a 429 a call may still begin: it was on its way. */
const TOLERANCE_MS = 250

describeOnBackends("a scoring system that allows 10 requests in a window", (backend) => {
  let system: System
  beforeAll(async () => {
    system = await startSystem({ backend, workers: 2 })
  })
  afterAll(() => system.close())

  it("is left alone by both workers until its Retry-After has passed, and settles all", async () => {
    const numbers = newNumbers(20)
    for (const number of numbers) await system.simulator.know(number, 1)
    await system.simulator.behave({ requestsPerMinute: 10, windowMs: WINDOW_MS })
    const anna = await system.register()
    await Promise.all(numbers.map((number) => anna.upload(number)))
    await expectAllSettledOnce(system, numbers)
    expect(await anna.balance()).toEqual({ current: 20, withdrawn: 0 })

    const calls = await system.simulator.calls()
    const refused = calls.filter(({ status }) => status === 429)
    expect(refused.length).toBeGreaterThan(0)
    // Retry-After is the rest of the window in whole seconds, rounded up; the window begins with
    // its first call.
    const windowStart = calls[0]?.at ?? 0
    const firstRefusal = refused[0]?.at ?? 0
    const pauseMs = Math.ceil((windowStart + WINDOW_MS - firstRefusal) / 1_000) * 1_000
    const during = calls.filter(
      ({ at }) => at > firstRefusal + TOLERANCE_MS && at < firstRefusal + pauseMs,
    )
    expect(during).toEqual([])
  })
})
