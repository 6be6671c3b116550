import { setTimeout as sleep } from "node:timers/promises"
import { expect, it, onTestFinished } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { order, startScriptedScoring, status } from "@gofermart/scoring-simulator/scripted.ts"
import { startSystem } from "../harness/system.ts"

const ORDERS = 300
const UPLOADED_OVER_MS = 40_000
/** For so long each burst of 429s lasts. */
const BURST_MS = 2_000
const BURSTS_AT_MS = [10_000, 30_000]
const SETTLED_WITHIN_MS = 150_000

describeOnBackends("a scoring system that refuses", (backend) => {
  it("30: for two seconds, twice, without a number, and then accepts everything: all settle", async () => {
    let refusesUntil = 0
    const refused = status(429, { "retry-after": "1" })
    const scoring = await startScriptedScoring((number, response) => {
      const reply = performance.now() < refusesUntil ? refused : order("PROCESSED", "1")
      reply(number, response)
    })
    onTestFinished(() => scoring.close())
    const system = await startSystem({ backend, workers: 2, scoringUrl: scoring.url })
    const anna = await system.register()
    const begun = performance.now()
    const bursts = BURSTS_AT_MS.map(async (atMs) => {
      await sleep(atMs)
      refusesUntil = performance.now() + BURST_MS
    })
    const numbers = newNumbers(ORDERS)
    for (const [i, number] of numbers.entries()) {
      await sleep(Math.max(0, begun + (i * UPLOADED_OVER_MS) / ORDERS - performance.now()))
      expect(await anna.upload(number)).toBe(202)
    }
    await Promise.all(bursts)
    await expectAllSettledOnce(system, numbers, SETTLED_WITHIN_MS)
  })
})
