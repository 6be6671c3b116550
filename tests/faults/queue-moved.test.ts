import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import type { RedisServer } from "@gofermart/local-stack/redis.ts"
import { afterEach, beforeEach, expect, it } from "vitest"
import { expectQueueEmpty, openQueue } from "../harness/database-breakpoints.ts"
import { describeOnRedis } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { countFinal, expectOwnAccruals } from "../harness/load.ts"
import { newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { startOwnRedis, startSystem, type System } from "../harness/system.ts"
import { replaceApi, replaceWorker } from "./replace.ts"

/** By then an order may wait for the longest backoff, 60 s; a lease of requeue's, 5 s; and 30 s. */
const SETTLED_WITHIN_MS = 95_000
const IN_FLIGHT = 1_000
const SETTLED_ON_REDIS = 300
/** So that they settle slowly enough to be moved in the middle of it. */
const env = { WORKER_CONCURRENCY: "20" }
const ANSWER_MS = 100
const UNDECIDED = { autoRegister: true, pendingAnswers: 1_000_000 }
describeOnRedis("The queue moved from PostgreSQL and back", () => {
  let system: System
  let redis: RedisServer
  let onPostgres: AccrualQueue
  let onRedis: AccrualQueue
  beforeEach(async () => {
    redis = await startOwnRedis()
    system = await startSystem({ backend: "postgresql", workers: 2, env })
    onPostgres = await openQueue(system)
    onRedis = await openQueue({ queueUrl: redis.url })
  })
  afterEach(() => Promise.all([onPostgres.close(), onRedis.close()]))

  it("by restarts alone, with 1,000 orders in flight: each is settled once", async () => {
    await system.simulator.behave(UNDECIDED)
    const anna = await system.register()
    const numbers = newNumbers(IN_FLIGHT)
    await Promise.all(numbers.map((number) => anna.upload(number)))
    await eventually("all are on PostgreSQL", async () => (await countJobs(onPostgres)) === 1_000)

    const toRedis = { QUEUE_URL: redis.url }
    const api = await replaceApi(system, system.api, toRedis)
    const workers = []
    for (const worker of system.workers.slice()) {
      workers.push(await replaceWorker(system, worker, toRedis))
    }
    await eventually("all are on Redis too", async () => (await countJobs(onRedis)) === 1_000)
    await system.simulator.behave({ pendingAnswers: 0, delayMs: ANSWER_MS })
    const areSettled = async () => (await countFinal(system)) >= SETTLED_ON_REDIS
    await eventually("some are settled", areSettled)
    await system.simulator.behave(UNDECIDED)

    await replaceApi(system, api)
    for (const worker of workers) expect(await worker.stop()).toBe(0)
    const settled = await settledNumbers(system)
    expect(settled.length).toBeLessThan(IN_FLIGHT)
    expect(await countJobs(onPostgres)).toBe(IN_FLIGHT)
    const movedBackAt = Date.now()
    await Promise.all([system.addWorker(), system.addWorker()])
    await system.simulator.behave({ pendingAnswers: 0, delayMs: 0 })

    await expectAllSettledOnce(system, numbers, SETTLED_WITHIN_MS)
    await expectOwnAccruals(system, numbers)
    await expectQueueEmpty(onPostgres)
    const calls = (await system.simulator.calls()).filter(({ at }) => at >= movedBackAt)
    const polls = settled.map((number) => calls.filter((call) => call.number === number).length)
    // The old queue still had a job of each: it is polled once more, or again when its worker
    // was too busy to keep the job's lock; and then the queue is empty.
    expect(Math.min(...polls)).toBe(1)
  })
})

async function countJobs(queue: AccrualQueue): Promise<number> {
  const counts = await queue.getJobCounts()
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

async function settledNumbers(system: System): Promise<string[]> {
  const orders = await system.database.client.order.findMany({
    where: { accrual: { status: { not: "PROCESSING" } } },
    select: { number: true },
  })
  return orders.map(({ number }) => number)
}
