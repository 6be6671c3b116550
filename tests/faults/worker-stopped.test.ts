import { setTimeout as sleep } from "node:timers/promises"
import type { Customer } from "@gofermart/local-stack/customer.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import { afterEach, beforeEach, expect, it } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumber, newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import {
  order,
  type ScriptedScoring,
  startScriptedScoring,
} from "@gofermart/scoring-simulator/scripted.ts"
import { startSystem, type System } from "../harness/system.ts"
import { startBreakpointProxy } from "../harness/breakpoint-proxy.ts"
import {
  expectEarned,
  expectQueueEmpty,
  lastSettlementAt,
  lockBalance,
  openQueue,
  statusOf,
  untilSettlementWaits,
} from "../harness/database-breakpoints.ts"

const STOPPED_MS = 40_000
const SHUTDOWN_GRACE_MS = 8_000
const COMMIT_MS = 2_500
const CALLS = 20
/** Of a worker that waits for a slow scoring system. */
const STOPPED_WITHIN_MS = 5_000
/** A stopped worker's job is taken over within half a minute; and 30 s. */
const SETTLED_WITHIN_MS = 60_000

describeOnBackends("A worker stopped in the middle of a settlement", (backend) => {
  let scoring: ScriptedScoring
  let system: System
  let queue: AccrualQueue
  let anna: Customer

  beforeEach(async () => {
    scoring = await startScriptedScoring()
    const env = { SHUTDOWN_GRACE: `${SHUTDOWN_GRACE_MS}ms` }
    system = await startSystem({ backend, workers: 0, scoringUrl: scoring.url, env })
    queue = await openQueue(system)
    anna = await system.register()
  })
  afterEach(async () => {
    await queue.close()
    await scoring.close()
  })

  it("15: for 40 s, while a second one works, and then going on: one credit", async () => {
    const number = newNumber()
    scoring.script(number, order("PROCESSED", "15"))
    const wire = await startBreakpointProxy(system.database.url)
    const stopped = await system.addWorker({
      DATABASE_URL: wire.url,
      QUEUE_URL: system.queueUrl,
    })
    const isSettling = wire.holdAt("settle_accruals")
    await anna.upload(number)
    await isSettling
    stopped.kill("SIGSTOP")
    const stoppedAt = performance.now()
    expect(await statusOf(system, number)).toBe("PROCESSING")

    await system.addWorker()
    await expectAllSettledOnce(system, [number], SETTLED_WITHIN_MS)
    expect(scoring.polls(number)).toHaveLength(2)
    const settledAt = await lastSettlementAt(system)
    await sleep(stoppedAt + STOPPED_MS - performance.now())

    // First its statement gets through, and then the worker goes on with what it had begun.
    wire.release()
    const hasRun = async () => (await lastSettlementAt(system)) > settledAt
    await eventually("the late statement runs", hasRun)
    stopped.kill("SIGCONT")
    expect(await stopped.stop()).toBe(0)
    await wire.close()
    await expectAllSettledOnce(system, [number])
    await expectQueueEmpty(queue)
    await expectEarned(system, anna.login, "15.00", 1)
    await system.database.expectNoneInTransaction()
  })

  it("17: by SIGTERM during a commit: it finishes it and exits with 0 in time", async () => {
    const number = newNumber()
    scoring.script(number, order("PROCESSED", "17"))
    // Otherwise the lock would have to be released within a second of being waited for.
    await system.database.client.$executeRaw`
      ALTER FUNCTION settle_accruals SET lock_timeout = '5s'`
    const worker = await system.addWorker()
    const lock = await lockBalance(system, anna.login)
    await anna.upload(number)
    await untilSettlementWaits(system)
    const toldAt = performance.now()
    worker.kill("SIGTERM")
    await eventually("it stops", async () => (await system.logs()).includes("stopping"))
    // It waits for as long as the commit takes, not just for long enough.
    await sleep(COMMIT_MS)
    expect(await statusOf(system, number)).toBe("PROCESSING")
    await lock.release()
    expect(await worker.exited).toBe(0)
    expect(performance.now() - toldAt).toBeLessThan(SHUTDOWN_GRACE_MS)

    // There is no other worker: this one has committed, and finished the job.
    expect(await statusOf(system, number)).toBe("PROCESSED")
    await expectQueueEmpty(queue)
    expect(scoring.polls(number)).toHaveLength(1)
    await expectAllSettledOnce(system, [number])
    await expectEarned(system, anna.login, "17.00", 1)
    await system.database.expectNoneInTransaction()
  })

  it("54: by SIGTERM while the scoring system is slow: it gives the calls up, and the jobs go back", async () => {
    const numbers = newNumbers(CALLS)
    const held: (() => void)[] = []
    for (const number of numbers) {
      scoring.script(number, (...answer) => held.push(() => order("PROCESSED", "1")(...answer)))
    }
    const worker = await system.addWorker()
    await Promise.all(numbers.map((number) => anna.upload(number)))
    await eventually("all are polled", () => Promise.resolve(held.length === CALLS))
    const toldAt = performance.now()
    expect(await worker.stop()).toBe(0)
    expect(performance.now() - toldAt).toBeLessThan(STOPPED_WITHIN_MS)

    for (const number of numbers) scoring.script(number, order("PROCESSED", "1"))
    await system.addWorker()
    // Each was polled twice and credited once; none had to be found again as the job of a dead worker.
    await expectAllSettledOnce(system, numbers, SETTLED_WITHIN_MS)
    for (const number of numbers) expect(scoring.polls(number)).toHaveLength(2)
    await expectEarned(system, anna.login, `${CALLS}.00`, CALLS)
    expect(await system.logs()).not.toContain("a job was taken over")
    await system.database.expectNoneInTransaction()
  })
})
