import { expect, it, onTestFinished } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { newNumber, newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { expectProblem } from "../harness/problem.ts"
import { order, startScriptedScoring, together } from "@gofermart/scoring-simulator/scripted.ts"
import { startSystem } from "../harness/system.ts"
import {
  expectEarned,
  expectQueueEmpty,
  lockBalance,
  openQueue,
  statusOf,
} from "../harness/database-breakpoints.ts"

const LOCKED_MS = 30_000
/** Long before the lock ends. */
const OTHERS_SETTLED_WITHIN_MS = 20_000
/** The backoff has grown to 38 s at most when the lock of 30 s ends; and 30 s. */
const SETTLED_WITHIN_MS = 68_000

describeOnBackends("Settling", (backend) => {
  it("24: a balance locked for 30 s: its user alone waits, and is told to come back", async () => {
    const scoring = await startScriptedScoring()
    onTestFinished(() => scoring.close())
    const env = { SCORING_TIMEOUT: "20s" }
    const system = await startSystem({ backend, scoringUrl: scoring.url, env })
    const queue = await openQueue(system)
    onTestFinished(() => queue.close())
    const [anna, boris] = await Promise.all([system.register(), system.register()])
    const lock = await lockBalance(system, anna.login)
    const lockedUntil = performance.now() + LOCKED_MS
    // All answers come at once, so that the two users' orders share their batches.
    const numbers = newNumbers(40)
    const reply = together(numbers.length, order("PROCESSED", "1"))
    for (const number of numbers) scoring.script(number, reply, order("PROCESSED", "1"))
    const upload = (number: string, i: number) => (i % 2 === 0 ? anna : boris).upload(number)
    const statuses = await Promise.all(numbers.map(upload))
    expect(new Set(statuses)).toEqual(new Set([202]))
    const others = numbers.filter((_number, i) => i % 2 === 1)
    await expectAllSettledOnce(system, others, OTHERS_SETTLED_WITHIN_MS)

    const path = "/api/user/balance/withdraw"
    const body = JSON.stringify({ order: newNumber(), sum: 1 })
    while (performance.now() < lockedUntil) {
      const refused = await anna.request("POST", path, body, "application/json")
      await expectProblem(refused, 503, "overloaded")
      expect(refused.headers.get("retry-after")).toBe("1")
      expect(await anna.balance()).toEqual({ current: 0, withdrawn: 0 })
      await boris.withdraw(newNumber(), 0.01)
    }
    const own = numbers.filter((_number, i) => i % 2 === 0)
    for (const number of own) {
      expect(await statusOf(system, number)).toBe("PROCESSING")
      expect(scoring.polls(number).length).toBeGreaterThan(2)
    }
    await lock.release()
    await expectAllSettledOnce(system, numbers, SETTLED_WITHIN_MS)
    await expectEarned(system, anna.login, "20.00", 20)
    expect((await anna.request("POST", path, body, "application/json")).status).toBe(200)
    await expectQueueEmpty(queue)
    await system.database.expectNoneInTransaction()
  })
})
