import { setTimeout as sleep } from "node:timers/promises"
import { afterEach, expect, it } from "vitest"
import { describeOnRedis } from "../harness/backends.ts"
import { startSystem, type System } from "../harness/system.ts"
import { expectSound } from "./oracle.ts"
import { Traffic } from "./traffic.ts"

/** Requeue's longest lease in these tests is 5 s, the backoff starts at 1 s; and 30 s. */
const SETTLED_WITHIN_MS = 36_000
const FAULT_MS = 5_000

describeOnRedis("Redis away", () => {
  let system: System
  afterEach(() => system.close())

  it("5: Redis killed during uploads: 202s go on, all settle after it returns", async () => {
    system = await startSystem({ backend: "redis", workers: 2 })
    const traffic = await Traffic.start(system)
    await sleep(1_000)
    await system.redis?.kill()
    const before = traffic.uploads.size
    await sleep(FAULT_MS)
    expect(traffic.uploads.size).toBeGreaterThan(before)
    await system.redis?.start()
    await sleep(1_000)
    await traffic.stop()
    expect([...traffic.answers.keys()].filter((answer) => /503|no answer/.test(answer))).toEqual([])
    await expectSound(system, traffic, SETTLED_WITHIN_MS)
  })

  it("6: Redis SIGSTOPped, its sockets open and silent: no request hangs", async () => {
    system = await startSystem({ backend: "redis", workers: 2 })
    const traffic = await Traffic.start(system)
    await sleep(1_000)
    system.redis?.freeze()
    const before = traffic.uploads.size
    await sleep(FAULT_MS)
    expect(traffic.uploads.size).toBeGreaterThan(before)
    system.redis?.thaw()
    await sleep(1_000)
    await traffic.stop()
    expect([...traffic.answers.keys()].filter((answer) => /503|no answer/.test(answer))).toEqual([])
    await expectSound(system, traffic, SETTLED_WITHIN_MS)
  })
})
