import type { Customer } from "@gofermart/local-stack/customer.ts"
import {
  holdQueue,
  openAccrualQueue,
  openAccrualWorker,
  queuePauseMs,
} from "@gofermart/shared/queue/backend.ts"
import { measureBacklog } from "@gofermart/shared/queue/backlog.ts"
import { type AccrualQueue, addPolls } from "@gofermart/shared/queue/poll-job.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { afterAll, beforeAll, expect, it } from "vitest"
import { describeOnRedis } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { newNumber, newNumbers } from "../harness/numbers.ts"
import { RedisCluster } from "../harness/redis-cluster.ts"
import { startSystem, type System } from "../harness/system.ts"
import { operate } from "../operator/run.ts"

const SILENT = createLogger("tests", "silent")
/** So many jobs, at so many a second, take longer than without a limit, and not much longer than with it. */
const LIMIT = { max: 5, durationMs: 500 }
const LIMITED = 20
const PAUSE_MS = 1_500

describeOnRedis("a cluster does what one Redis does", () => {
  let cluster: RedisCluster
  let system: System
  let other: System
  let anna: Customer
  beforeAll(async () => {
    cluster = await RedisCluster.start()
    const redis = { ...(await cluster.ownerOf("{bull}")), close: async () => {} }
    const url = `redis+cluster://${cluster.hosts}`
    ;[system, other] = await Promise.all([
      startSystem({ backend: "redis", redis: { ...redis, url } }),
      startSystem({ backend: "redis", redis: { ...redis, url }, env: { QUEUE_PREFIX: "shop" } }),
    ])
    await Promise.all(
      [system, other].map(({ simulator }) => simulator.behave({ autoRegister: true })),
    )
    anna = await system.register()
  })
  afterAll(() => cluster.close())

  const openQueue = (prefix = "of-a-test"): Promise<AccrualQueue> =>
    openAccrualQueue(`redis+cluster://${cluster.hosts}?prefix=${prefix}`, SILENT)

  it("settles for two installations, each with keys of its own", async () => {
    const bob = await other.register()
    const [ours, theirs] = [newNumbers(5), newNumbers(5)]
    for (const number of ours) expect(await anna.upload(number)).toBe(202)
    for (const number of theirs) expect(await bob.upload(number)).toBe(202)
    await Promise.all([expectAllSettledOnce(system, ours), expectAllSettledOnce(other, theirs)])
    const keys = (await Promise.all(cluster.nodes.map(({ client }) => client.keys("*")))).flat()
    expect(keys.filter((key) => !/^\{(bull|shop)\}:/.test(key))).toEqual([])
    expect(new Set(keys.map((key) => key.split(":")[0]))).toEqual(new Set(["{bull}", "{shop}"]))
  })

  it("is written to by the readiness, and seen by the board and the metrics", async () => {
    const ready = await fetch(`${system.apiUrl}/readyz`)
    expect(await ready.json()).toMatchObject({ queue: "ok" })
    const board = await fetch(`${system.operatorsUrl}/api/queues`)
    expect(await board.json()).toMatchObject({ queues: [{ name: "accrual", isPaused: false }] })
    const metrics = await (await fetch(`${system.operatorsUrl}/metrics`)).text()
    expect(metrics).toMatch(/^gofermart_queue_jobs\{state="waiting"\} 0$/m)
  })

  it("is paused by an operator; requeue adds jobs meanwhile, and they are worked on later", async () => {
    const act = (what: string) =>
      fetch(`${system.operatorsUrl}/api/queues/accrual/${what}`, { method: "PUT" })
    expect((await act("pause")).status).toBe(200)
    const number = newNumber()
    await anna.upload(number)
    const all = await operate(system, "requeue", "--all")
    expect(all.code).toBe(0)
    expect((await operate(system, "requeue", number)).code).toBe(0)
    expect((await operate(system, "order", number)).said).toContain("job ")
    const queue = await openAccrualQueue(system.queueUrl, SILENT)
    expect(await measureBacklog(queue, Date.now())).toMatchObject({ isPaused: true, due: 0 })
    expect((await act("resume")).status).toBe(200)
    await expectAllSettledOnce(system, [number])
    await queue.close()
  })

  it("moves a queue: the other URL, then requeue", async () => {
    const number = newNumber()
    await anna.upload(number)
    const moved = { ...system, queueUrl: `redis+cluster://${cluster.hosts}?prefix=moved` }
    expect((await operate(moved, "requeue", "--all")).code).toBe(0)
    await expectAllSettledOnce(system, [number])
  })

  it("limits all workers together, and pauses them", async () => {
    const queue = await openQueue()
    const starts: number[] = []
    const workers = await Promise.all(
      [1, 2].map(() =>
        openAccrualWorker(
          `redis+cluster://${cluster.hosts}?prefix=of-a-test`,
          SILENT,
          async () => void starts.push(performance.now()),
          { concurrency: LIMITED },
        ),
      ),
    )
    await holdQueue(queue, { pauseMs: PAUSE_MS, limit: LIMIT })
    expect(await queuePauseMs(queue)).toBeGreaterThan(PAUSE_MS / 2)
    const from = performance.now()
    await addPolls(queue, newNumbers(LIMITED))
    const { due } = await measureBacklog(queue, Date.now())
    expect(due).toBe(LIMITED)
    await eventually("all are begun", async () => starts.length === LIMITED)
    expect(Math.min(...starts) - from).toBeGreaterThan(PAUSE_MS / 2)
    const spent = Math.max(...starts) - Math.min(...starts)
    expect(spent).toBeGreaterThan((LIMITED / LIMIT.max - 1) * LIMIT.durationMs * 0.9)
    await Promise.all(workers.map((worker) => worker.close()))
    await queue.close()
  })
})
