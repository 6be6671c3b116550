import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import { afterEach, expect, it } from "vitest"
import { describeOnBackends, describeOnRedis } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { countFinal, expectOwnAccruals } from "../harness/load.ts"
import { newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { startOwnRedis, startSystem, type System } from "../harness/system.ts"
import { startBreakpointProxy } from "../harness/breakpoint-proxy.ts"
import { expectQueueEmpty, openQueue } from "../harness/database-breakpoints.ts"
import { expectSound } from "./after-a-fault.ts"
import { Traffic } from "./traffic.ts"

/** Requeue's longest lease in these tests is 5 s, the backoff starts at 1 s; and 30 s. */
const SETTLED_WITHIN_MS = 36_000
const IN_FLIGHT = 1_000
/** No answer comes before a test has done what it does, and none is given up. */
const HELD_BACK = { autoRegister: true, delayMs: 8_000 }
const env = { SCORING_TIMEOUT: "20s" }

describeOnBackends("The queue lost", (backend) => {
  let system: System
  let queue: AccrualQueue
  afterEach(async () => {
    await queue.close()
    await system.close()
  })

  const countJobs = async () => {
    const counts = await queue.getJobCounts()
    return Object.values(counts).reduce((sum, count) => sum + count, 0)
  }
  const upload = async (numbers: string[]) => {
    const anna = await system.register()
    const statuses = await Promise.all(numbers.map((number) => anna.upload(number)))
    expect(new Set(statuses)).toEqual(new Set([202]))
  }
  const expectSettled = async (numbers: string[]) => {
    await expectAllSettledOnce(system, numbers, SETTLED_WITHIN_MS)
    await expectOwnAccruals(system, numbers)
    await expectQueueEmpty(queue)
    await system.database.expectNoneInTransaction()
  }
  const hasJob = async (number: string) => (await queue.getJob(`order-${number}`)) !== undefined

  it("7: everything in it, with 1,000 orders in flight: all are settled once", async () => {
    system = await startSystem({ backend, workers: 2, env })
    queue = await openQueue(system)
    await system.simulator.behave(HELD_BACK)
    const numbers = newNumbers(IN_FLIGHT)
    await upload(numbers)
    await eventually("all are in it", async () => (await countJobs()) === IN_FLIGHT)
    expect(await countFinal(system)).toBe(0)
    for (const worker of system.workers) worker.kill("SIGSTOP")
    // Again for what a worker had sent before it was stopped.
    await eventually("nothing is in it", async () => {
      if (backend === "redis") await system.redis?.flushAll()
      else await system.database.client.$executeRaw`TRUNCATE bullmq.job CASCADE`
      return (await countJobs()) === 0
    })
    for (const worker of system.workers) worker.kill("SIGCONT")
    await system.simulator.behave({ delayMs: 0 })
    await expectSettled(numbers)
  })

  it("8: put back to an old state: replayed jobs do nothing, missing ones are put in", async () => {
    const folder = await mkdtemp(join(tmpdir(), "gofermart-redis-"))
    const redis = backend === "redis" ? await startOwnRedis(folder) : undefined
    system = await startSystem({
      backend,
      workers: 0,
      env,
      ...(redis === undefined ? {} : { redis }),
    })
    queue = await openQueue(system)
    const { client } = system.database
    await system.simulator.behave({ autoRegister: true })
    const settled = newNumbers(100)
    await upload(settled)
    await eventually("all are in it", async () => (await countJobs()) === settled.length)
    if (redis !== undefined) await redis.client.save()
    else await client.$executeRaw`CREATE TABLE old_job AS TABLE bullmq.job`
    const worker = await system.addWorker()
    await expectSettled(settled)

    await system.simulator.behave(HELD_BACK)
    const missing = newNumbers(100)
    await upload(missing)
    await eventually("all are in it", async () => (await countJobs()) === missing.length)
    worker.kill("SIGSTOP")
    if (redis !== undefined) {
      await redis.kill()
      await redis.start()
    } else {
      await client.$transaction([
        client.$executeRaw`TRUNCATE bullmq.job CASCADE`,
        client.$executeRaw`INSERT INTO bullmq.job TABLE old_job`,
      ])
    }
    const inIt = async (numbers: string[]) =>
      (await Promise.all(numbers.map(hasJob))).filter(Boolean).length
    await eventually("the queue is back", () => queue.getJobCounts().catch(() => undefined))
    expect([await inIt(settled), await inIt(missing)]).toEqual([settled.length, 0])
    await system.simulator.behave({ delayMs: 0 })
    worker.kill("SIGCONT")
    await expectSettled([...settled, ...missing])
    const calls = (await system.simulator.calls()).map(({ number }) => number)
    const polled = new Map<string, number>(settled.map((number) => [number, 0]))
    for (const number of calls) polled.set(number, (polled.get(number) ?? 0) + 1)
    for (const number of settled) expect(polled.get(number)).toBeGreaterThanOrEqual(2)
    await rm(folder, { recursive: true })
  })

  it("9: cut off in the middle of an addBulk: the rest is put in", async () => {
    const redis = backend === "redis" ? await startOwnRedis() : undefined
    system = await startSystem({ backend, workers: 0, ...(redis === undefined ? {} : { redis }) })
    queue = await openQueue(system)
    await system.simulator.behave({ autoRegister: true })
    const wire = await startBreakpointProxy(system.queueUrl)
    const { details } = await system.addApi({ QUEUE_URL: wire.url })
    const anna = await system.register()
    const path = `${details["url"]}/api/user/orders`
    const headers = { authorization: anna.authorization, "content-type": "text/plain" }
    const uploadThere = async (body: string) =>
      (await fetch(path, { method: "POST", headers, body })).status
    const numbers = newNumbers(200)
    const [first = "", second = "", ...others] = numbers
    // The first jobs without and with a priority take their scripts with them, longer than many jobs.
    for (const number of [first, second]) expect(await uploadThere(number)).toBe(202)
    await eventually("the first jobs are in it", async () => (await countJobs()) === 2)
    const isCut = wire.cutAfter(20_000)
    expect(new Set(await Promise.all(others.map(uploadThere)))).toEqual(new Set([202]))
    await isCut
    await eventually("the API has noticed", async () =>
      (await system.logs()).includes("not enqueued; requeue takes over"),
    )
    const added = await countJobs()
    expect(added).toBeLessThan(numbers.length)
    // PostgreSQL takes them in one statement, all or none.
    if (backend === "redis") expect(added).toBeGreaterThan(2)
    await system.addWorker()
    await expectSettled(numbers)
    await wire.close()
  })
})

describeOnRedis("The queue full", () => {
  let system: System

  it("10: Redis at maxmemory: uploads stay durable, and all settle once there is room", async () => {
    system = await startSystem({ backend: "redis", workers: 2 })
    const redis = system.redis?.client
    await redis?.config("SET", "maxmemory-policy", "noeviction")
    const traffic = await Traffic.start(system)
    await sleep(1_000)
    await redis?.config("SET", "maxmemory", "1")
    await expect(redis?.set("one", "more")).rejects.toThrow(/OOM/)
    await sleep(500)
    const before = [...traffic.uploads.keys()]
    await sleep(3_000)
    const during = [...traffic.uploads.keys()].slice(before.length)
    expect(during.length).toBeGreaterThan(0)
    const keys = during.map((number) => `bull:accrual:order-${number}`)
    expect(await redis?.exists(...keys)).toBe(0)
    await redis?.config("SET", "maxmemory", "0")
    await sleep(1_000)
    await traffic.stop()
    expect([...traffic.answers.keys()].filter((answer) => /503|no answer/.test(answer))).toEqual([])
    await expectSound(system, traffic, SETTLED_WITHIN_MS)
  })
})
