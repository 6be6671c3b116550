import { expect, it, onTestFinished } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { order, startScriptedScoring } from "@gofermart/scoring-simulator/scripted.ts"
import { startSystem } from "../harness/system.ts"
import { expectEarned, expectQueueEmpty, openQueue } from "../harness/database-breakpoints.ts"

/** A killed worker's job is taken over within half a minute; and 30 s. */
const SETTLED_WITHIN_MS = 60_000
const KILLS = 5

describeOnBackends("A worker killed with -9", (backend) => {
  it("16: five times on the same job: it is settled in the end, not failed", async () => {
    const scoring = await startScriptedScoring()
    onTestFinished(() => scoring.close())
    const env = { SCORING_TIMEOUT: "60s" }
    const system = await startSystem({ backend, workers: 0, scoringUrl: scoring.url, env })
    const queue = await openQueue(system)
    onTestFinished(() => queue.close())
    const anna = await system.register()
    const number = newNumber()
    const hang = () => {}
    const killed = Array.from({ length: KILLS }, () => hang)
    scoring.script(number, ...killed, order("PROCESSED", "16"))
    await anna.upload(number)
    for (let kills = 1; kills <= KILLS; kills++) {
      const worker = await system.addWorker()
      const asks = async () => scoring.polls(number).length === kills
      await eventually("it asks", asks, SETTLED_WITHIN_MS)
      worker.kill("SIGKILL")
      expect(await worker.exited).toBeNull()
      expect(await queue.getJobState(`order-${number}`)).toBe("active")
    }
    await system.addWorker()
    await expectAllSettledOnce(system, [number], SETTLED_WITHIN_MS)
    await expectQueueEmpty(queue)
    await expectEarned(system, anna.login, "16.00", 1)
    await system.database.expectNoneInTransaction()
    expect(scoring.polls(number)).toHaveLength(KILLS + 1)
    expect(await system.logs()).not.toContain("a poll broke off")
  })
})
