import { moveUpPassedOver } from "@gofermart/accrual-worker/requeue/move-up.ts"
import { requeueOverdue } from "@gofermart/accrual-worker/requeue/requeue.ts"
import {
  order,
  type ScriptedScoring,
  startScriptedScoring,
} from "@gofermart/scoring-simulator/scripted.ts"
import { holdQueue, openAccrualWorker } from "@gofermart/shared/queue/backend.ts"
import { measureBacklog } from "@gofermart/shared/queue/backlog.ts"
import { PASSED_OVER_AFTER_MS } from "@gofermart/shared/queue/fair-share.ts"
import { type AccrualQueue, findPoll } from "@gofermart/shared/queue/poll-job.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { afterAll, afterEach, beforeAll, expect, it, onTestFinished } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { openQueue } from "../harness/database-breakpoints.ts"
import { settleAll } from "../harness/dead-leases.ts"
import { eventually } from "../harness/eventually.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { newNumbers } from "../harness/numbers.ts"
import { WITHOUT_REQUEUE } from "../harness/settings.ts"
import { startSystem, type System } from "../harness/system.ts"

const ORDERS = 10
/** Of the first, second … order of a customer, while none is settled. */
const PRIORITIES = [0, 1, 2, 2, 3, 3, 3, 3, 4, 4]
const REQUEUE_INTERVAL_MS = 20
const SILENT = createLogger("tests", "silent")
const PATIENT = { timeout: 60_000 }
const longAgo = () => Date.now() - PASSED_OVER_AFTER_MS - 1_000

describeOnBackends("orders that wait", (backend) => {
  let scoring: ScriptedScoring
  let system: System
  let queue: AccrualQueue
  const polled: string[] = []
  beforeAll(async () => {
    scoring = await startScriptedScoring((number, response) => {
      polled.push(number)
      order("INVALID")(number, response)
    })
    const env = { ...WITHOUT_REQUEUE, WORKER_CONCURRENCY: "1" }
    system = await startSystem({ backend, workers: 0, scoringUrl: scoring.url, env })
    queue = await openQueue(system)
  })
  afterAll(async () => {
    await queue.close()
    await scoring.close()
  })
  afterEach(async () => {
    await system.workers.pop()?.stop()
    await settleAll(system.database.client)
    await queue.drain(true)
  })

  /** One after the other, by a customer of their own. */
  const upload = async (orders: number) => {
    const customer = await system.register()
    const numbers = newNumbers(orders)
    for (const number of numbers) await customer.upload(number)
    await eventually("they have jobs", async () =>
      (await Promise.all(numbers.map((number) => findPoll(queue, number)))).every(Boolean),
    )
    return numbers
  }
  const prioritiesOf = (numbers: string[]) =>
    Promise.all(numbers.map(async (number) => (await findPoll(queue, number))?.priority))
  const setDue = async (number: string | undefined, dueAt: number) => {
    const job = await findPoll(queue, number ?? "")
    if (job !== undefined) await job.updateData({ ...job.data, dueAt })
  }
  /** All leases are over, of orders that came an hour ago. */
  const endLeases = async () => {
    await system.database.client.$executeRaw`
      UPDATE orders SET uploaded_at = now() - interval '1 hour'`
    await system.database.client.$executeRaw`
      UPDATE accruals SET requeue_at = now() - interval '1 minute'`
  }
  const parts = () => ({ database: system.database.client, queue, logger: SILENT })
  /** Without a worker, which would poll. */
  const requeue = () => {
    const over = new AbortController()
    const lease = { minMs: 30_000, maxMs: 600_000 }
    const running = requeueOverdue(parts(), lease, REQUEUE_INTERVAL_MS, over.signal)
    onTestFinished(async () => {
      over.abort()
      await running
    })
  }

  it("are polled the sooner, the fewer their customer has", async () => {
    const annas = await upload(ORDERS)
    const [borises] = await upload(1)
    const [carls, carlsSecond] = await upload(2)
    expect(await prioritiesOf(annas)).toEqual(PRIORITIES)
    await system.addWorker()
    await expectAllSettledOnce(system, annas)
    const seconds = [annas[1], carlsSecond]
    expect(polled).toEqual([annas[0], borises, carls, ...seconds, ...annas.slice(2)])
  })

  it("keep their customer's place when their jobs are lost", async () => {
    const annas = await upload(ORDERS)
    const [borises = ""] = await upload(1)
    await queue.drain()
    await endLeases()
    requeue()
    await eventually("the jobs are back", async () => (await queue.count()) === ORDERS + 1)
    expect(await prioritiesOf(annas)).toEqual(PRIORITIES)
    expect(await prioritiesOf([borises])).toEqual([0])
  })

  it("are moved up with each lease that ends, once others were let past for long", async () => {
    const annas = await upload(ORDERS)
    for (const number of annas) await setDue(number, longAgo())
    const [, , , , lately] = annas
    await setDue(lately, Date.now() - PASSED_OVER_AFTER_MS + 60_000)
    await endLeases()
    requeue()
    await expect.poll(() => prioritiesOf(annas), PATIENT).toEqual([0, 1, 1, 1, 3, 2, 2, 2, 3, 3])
    await endLeases()
    await expect.poll(() => prioritiesOf(annas), PATIENT).toEqual([0, 1, 1, 1, 3, 1, 1, 1, 2, 2])
  })

  it("stay where they are while nothing is polled", async () => {
    const annas = await upload(ORDERS)
    for (const number of annas) await setDue(number, longAgo())
    await holdQueue(queue, { pauseMs: 60_000, limit: undefined })
    await moveUpPassedOver(parts(), annas, Date.now())
    await holdQueue(queue, { pauseMs: 0, limit: undefined })
    await queue.pause()
    await moveUpPassedOver(parts(), annas, Date.now())
    await queue.resume()
    expect(await prioritiesOf(annas)).toEqual(PRIORITIES)
  })

  it("are moved up although the job of one is gone meanwhile", async () => {
    const [, , gone = "", stays = ""] = await upload(4)
    for (const number of [gone, stays]) await setDue(number, longAgo())
    const losing = new Proxy(queue, {
      get: (target, name) =>
        name === "getJob"
          ? async (id: string) => {
              const job = await target.getJob(id)
              if (id.endsWith(gone)) await job?.remove()
              return job
            }
          : (Reflect.get(target, name, target) as unknown),
    })
    const warned: unknown[] = []
    const logger = Object.assign(createLogger("tests", "silent"), {
      warn: (about: unknown) => warned.push(about),
    })
    await moveUpPassedOver({ queue: losing, logger }, [gone, stays], Date.now())
    expect(await prioritiesOf([gone, stays])).toEqual([undefined, 1])
    expect(warned).toEqual([])
  })

  it("stay where they are when they are being polled, or have failed", async () => {
    const [begun = "", delayed = "", failed = "", ...others] = await upload(4)
    const waiting = [delayed, ...others]
    for (const number of [begun, failed, ...waiting]) await setDue(number, longAgo())
    const unrecoverable = Object.assign(new Error("failed"), { name: "UnrecoverableError" })
    const finish = Promise.withResolvers<void>()
    const worker = await openAccrualWorker(
      system.queueUrl,
      SILENT,
      async ({ data }) => {
        if (data.number === failed) throw unrecoverable
        if (data.number === begun) await finish.promise
        else throw new Error("it is tried again")
      },
      { concurrency: 4, settings: { backoffStrategy: () => 3_600_000 } },
    )
    await eventually("two are put off, one has failed, and one is being polled", async () => {
      const jobs = await queue.getJobCounts()
      return jobs["delayed"] === 2 && jobs["failed"] === 1 && jobs["active"] === 1
    })
    const numbers = [begun, failed, ...waiting]
    const before = await prioritiesOf(numbers)
    await moveUpPassedOver(parts(), numbers, Date.now())
    expect(await prioritiesOf(numbers)).toEqual(before)
    finish.resolve()
    await worker.close()
    await moveUpPassedOver(parts(), [failed], Date.now() + 3_600_000)
    expect(await prioritiesOf([failed])).toEqual([2])
  })

  it("say how long the longest has been due, whatever its priority", async () => {
    const annas = await upload(ORDERS)
    const now = Date.now()
    for (const number of annas) await setDue(number, now - 1_000)
    const longestDueMs = async () => (await measureBacklog(queue, now)).longestDueMs
    expect(await longestDueMs()).toBe(1_000)
    // The first of each priority, in turn.
    for (const [i, place] of [0, 1, 2, 4, 8].entries()) {
      await setDue(annas[place], now - 60_000 * (i + 1))
      expect(await longestDueMs()).toBe(60_000 * (i + 1))
    }
  })
})
