import { get } from "node:http"
import { text } from "node:stream/consumers"
import type { Child } from "@gofermart/local-stack/child.ts"
import { openAccrualWorker } from "@gofermart/shared/queue/backend.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { Client } from "pg"
import { afterAll, beforeAll, expect, it } from "vitest"
import { openQueue, statusOf } from "../harness/database-breakpoints.ts"
import { describeOnBackends } from "../harness/backends.ts"
import { type FaultProxy, startFaultProxy } from "../harness/fault-proxy.ts"
import { createDatabase } from "../harness/database.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import {
  order,
  type ScriptedScoring,
  startScriptedScoring,
  status,
} from "@gofermart/scoring-simulator/scripted.ts"
import { startSystem, type System } from "../harness/system.ts"

const PASSWORD = "an operator's password"
const LIVENESS_TIMEOUT_MS = 2_000

describeOnBackends("a worker's liveness", (backend) => {
  let scoring: ScriptedScoring
  let system: System
  let queue: AccrualQueue
  /** Between the worker and the database. */
  let proxy: FaultProxy
  let worker: Child
  const startWorker = async () => (worker = await system.addWorker())
  beforeAll(async () => {
    scoring = await startScriptedScoring()
    const database = await createDatabase()
    proxy = await startFaultProxy(database.url)
    const workerEnv = {
      DATABASE_URL: proxy.url,
      OPERATORS_PASSWORD: PASSWORD,
      SCORING_TIMEOUT: "500ms",
      LIVENESS_TIMEOUT: `${LIVENESS_TIMEOUT_MS}ms`,
    }
    system = await startSystem({
      backend,
      database,
      scoringUrl: scoring.url,
      workers: 0,
      workerEnv,
    })
    queue = await openQueue(system)
    await startWorker()
  })
  afterAll(async () => {
    await queue.close()
    await system.close()
    await proxy.close()
    await scoring.close()
  })

  // The customers' API has a path of this name too, and `fetch` is held to its description.
  const ask = (path: string, headers = {}) =>
    new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
      get(`${worker.details["operatorsUrl"]}${path}`, { headers }, (response) => {
        const { statusCode } = response
        text(response).then((body) => resolve({ status: statusCode, body }), reject)
      }).on("error", reject)
    })
  const health = async () => {
    const { status: code, body } = await ask("/healthz")
    return `${code} ${(JSON.parse(body) as { status: string }).status}`
  }
  const expectHealth = (what: string) => eventually(what, async () => (await health()) === what)
  const expectAliveUntil = (what: string, isSo: () => Promise<boolean>) =>
    eventually(what, async () => {
      // Or that its database is slow to answer, which is no reason to restart it.
      expect(await health()).toMatch(/^200 /)
      return isSo()
    })
  /** What ends a worker's liveness is the time in which nothing happens. */
  const expectAliveBeyondTimeout = () => {
    const end = performance.now() + LIVENESS_TIMEOUT_MS * 1.5
    return expectAliveUntil("the timeout is over", async () => performance.now() > end)
  }
  const expectAliveUntilSettled = (number: string) =>
    expectAliveUntil("it is settled", async () => (await statusOf(system, number)) === "INVALID")
  const upload = async (...replies: Parameters<ScriptedScoring["script"]>[1][]) => {
    const number = newNumber()
    scoring.script(number, ...replies)
    await (await system.register()).upload(number)
    return number
  }

  it("is not lost to an operator who lets only so many jobs run at once", async () => {
    await queue.setGlobalConcurrency(1)
    const held = Promise.withResolvers<void>()
    const logger = createLogger("tests", "silent")
    const hanging = await openAccrualWorker(system.queueUrl, logger, () => held.promise, {})
    await worker.stop()
    await upload(order("INVALID"))
    await eventually("it is held", async () => (await queue.getActiveCount()) === 1)
    await startWorker()
    await upload(order("INVALID"))
    await expectAliveBeyondTimeout()
    held.resolve()
    await hanging.close()
    await queue.removeGlobalConcurrency()
  })

  // Redis has no way to keep a job from a worker who may have it, and the others are about no queue.
  // oxlint-disable-next-line vitest/no-conditional-tests -- the system is the other tests' as well
  if (backend === "postgresql") {
    it("needs no credentials, and tells nothing else without them", async () => {
      expect(await health()).toBe("200 alive")
      for (const path of [
        "/metrics",
        "/healthz/",
        "/metrics?/healthz",
        "/nothing",
        "//healthz",
        "/healthz/..",
      ]) {
        expect((await ask(path)).status).toBe(401)
      }
      const authorization = `Basic ${Buffer.from(`operator:${PASSWORD}`).toString("base64")}`
      const metrics = await ask("/metrics", { authorization })
      expect(metrics.body).toMatch(/^gofermart_polls_under_way \d+$/m)
    })

    it("is lost when it does not end what it has begun, and comes back when it does", async () => {
      const number = await upload(order("INVALID"))
      await expectAllSettledOnce(system, [number])
      await expectAliveBeyondTimeout()
      proxy.freeze()
      const stuck = await upload(order("INVALID"))
      await expectHealth("503 stuck")
      await proxy.mend()
      await expectHealth("200 alive")
      await expectAllSettledOnce(system, [stuck])
    })

    it("is lost when it begins nothing of what is due: somebody has locked the jobs", async () => {
      await worker.stop()
      const number = await upload(order("INVALID"))
      await eventually("its job", () => queue.getJob(`order-${number}`))
      // A worker passes over the jobs that somebody has locked.
      const holder = new Client({ connectionString: system.database.url })
      await holder.connect()
      await holder.query("BEGIN; SELECT FROM bullmq.job FOR UPDATE")
      await startWorker()
      await expectHealth("503 stuck")
      await holder.query("COMMIT")
      await holder.end()
      await expectHealth("200 alive")
      await expectAllSettledOnce(system, [number])
    })
  }

  // The last one: a pace that was learned from a refusal holds a worker back for a while.
  it("is not lost to a scoring system that is slow, to a pause, nor to a queue that is away", async () => {
    const slow = await upload(
      () => {},
      () => {},
      () => {},
      order("INVALID"),
    )
    await expectAliveUntilSettled(slow)
    const paused = await upload(status(429, { "retry-after": "4" }), order("INVALID"))
    await expectAliveUntilSettled(paused)
    await expectAllSettledOnce(system, [slow, paused])
    if (system.redis === undefined) return
    await system.redis.kill()
    await expectHealth("200 queue unavailable")
    await system.redis.start()
    await expectHealth("200 alive")
  })
})
