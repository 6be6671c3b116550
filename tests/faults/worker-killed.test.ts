import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import type { Customer } from "@gofermart/local-stack/customer.ts"
import { afterEach, expect, it } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { startFaultProxy } from "../harness/fault-proxy.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import {
  order,
  type ScriptedScoring,
  startScriptedScoring,
} from "@gofermart/scoring-simulator/scripted.ts"
import { startSystem, type System } from "../harness/system.ts"
import { startBreakpointProxy } from "../harness/breakpoint-proxy.ts"
import {
  countWaitingSettlements,
  expectEarned,
  expectQueueEmpty,
  lockBalance,
  openQueue,
  statusOf,
  untilSettlementWaits,
} from "../harness/database-breakpoints.ts"

/** A killed worker's job is taken over within half a minute; and 30 s. */
const SETTLED_WITHIN_MS = 60_000

describeOnBackends("A worker killed with -9", (backend) => {
  const number = newNumber
  let scoring: ScriptedScoring
  let system: System
  let queue: AccrualQueue
  let anna: Customer

  const start = async () => {
    scoring = await startScriptedScoring()
    const env = { SCORING_TIMEOUT: "60s" }
    system = await startSystem({ backend, workers: 0, scoringUrl: scoring.url, env })
    queue = await openQueue(system)
    anna = await system.register()
  }
  afterEach(async () => {
    await queue.close()
    await scoring.close()
  })

  const kill = async (worker: System["workers"][number]) => {
    worker.kill("SIGKILL")
    expect(await worker.exited).toBeNull()
  }
  const expectSettledOnce = async (about: string, points: string) => {
    await expectAllSettledOnce(system, [about], SETTLED_WITHIN_MS)
    await expectQueueEmpty(queue)
    await expectEarned(system, anna.login, points, 1)
    await system.database.expectNoneInTransaction()
  }

  it("12: before it polled: another worker settles the order within 60 s", async () => {
    await start()
    const about = number()
    scoring.script(about, order("PROCESSED", "12"))
    const wire = await startBreakpointProxy(scoring.url)
    const first = await system.addWorker({ SCORING_URL: wire.url })
    const isPolling = wire.holdAt(`GET /api/orders/${about}`)
    await anna.upload(about)
    await isPolling
    await kill(first)
    expect(await queue.getJobState(`order-${about}`)).toBe("active")
    expect(scoring.polls(about)).toEqual([])
    await wire.close()

    await system.addWorker()
    await expectSettledOnce(about, "12.00")
    expect(scoring.polls(about)).toHaveLength(1)
  })

  it("13: with the answer in hand, its statement not committed: one credit", async () => {
    await start()
    const about = number()
    scoring.script(about, order("PROCESSED", "13"))
    // Otherwise the worker would have to be killed within a second of its wait for the lock.
    await system.database.client.$executeRaw`
      ALTER FUNCTION settle_accruals SET lock_timeout = '5s'`
    const first = await system.addWorker()
    const lock = await lockBalance(system, anna.login)
    await anna.upload(about)
    await untilSettlementWaits(system)
    await kill(first)
    // The server has not noticed, and waits for the lock in its place until it gives up.
    expect(await countWaitingSettlements(system)).toBe(1)
    await eventually(
      "the statement has ended",
      async () => (await countWaitingSettlements(system)) === 0,
    )
    expect(await statusOf(system, about)).toBe("PROCESSING")
    await lock.release()
    await expectEarned(system, anna.login, "0.00", 0)

    await system.addWorker()
    await expectSettledOnce(about, "13.00")
    expect(scoring.polls(about)).toHaveLength(2)
  })

  it("14: when it had committed and not finished the job: the second run is a no-op", async () => {
    await start()
    const about = number()
    const isPolled = Promise.withResolvers<void>()
    const mayAnswer = Promise.withResolvers<void>()
    scoring.script(about, (request, response) => {
      isPolled.resolve()
      void mayAnswer.promise.then(() => order("PROCESSED", "14")(request, response))
    })
    const proxy = await startFaultProxy(system.queueUrl)
    const first = await system.addWorker({ QUEUE_URL: proxy.url })
    await anna.upload(about)
    await isPolled.promise
    proxy.freeze()
    mayAnswer.resolve()
    await eventually("it is committed", async () => (await statusOf(system, about)) === "PROCESSED")
    await kill(first)
    expect(await queue.getJobState(`order-${about}`)).toBe("active")
    await proxy.close()

    await system.addWorker()
    await eventually("the second run", async () => scoring.polls(about).length === 2)
    await expectSettledOnce(about, "14.00")
  })
})
