import { setTimeout as sleep } from "node:timers/promises"
import { expect, it, onTestFinished } from "vitest"
import { describeOnRedis } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import { startScriptedScoring } from "@gofermart/scoring-simulator/scripted.ts"
import { startSystem, type System } from "../harness/system.ts"
import { expectSound } from "./after-a-fault.ts"
import { Traffic } from "./traffic.ts"

/** Requeue's longest lease in these tests is 5 s, the backoff starts at 1 s; and 30 s. */
const SETTLED_WITHIN_MS = 36_000
const FAULT_MS = 5_000
/** Of a pause that outlasts the fault. */
const PAUSE_S = 60

describeOnRedis("Redis away", () => {
  let system: System

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

  it("5: Redis killed in a pause: a worker warns of it once, however often it tries", async () => {
    const scoring = await startScriptedScoring((_number, response) =>
      response.writeHead(429, { "retry-after": `${PAUSE_S}` }).end(),
    )
    onTestFinished(() => scoring.close())
    system = await startSystem({ backend: "redis", scoringUrl: scoring.url })
    const anna = await system.register()
    await anna.upload(newNumber())
    const countLines = async (text: string) =>
      (await system.logs()).split("\n").filter((line) => line.includes(text)).length
    await eventually("polling is paused", () => countLines("polling is paused").then(Boolean))
    await system.redis?.kill()
    const warnings = () => countLines("the queue could not be held to the pace")
    await eventually("a worker warns", () => warnings().then(Boolean))
    await sleep(FAULT_MS)
    expect(await warnings()).toBe(1)
    await system.redis?.start()
  })
})
