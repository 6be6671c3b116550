import { get } from "node:http"
import { text } from "node:stream/consumers"
import { openAccrualWorker } from "@gofermart/shared/queue/backend.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { Client } from "pg"
import { afterEach, beforeEach, expect, it } from "vitest"
import { openQueue } from "../faults/instants.ts"
import { describeOnBackends } from "../harness/backends.ts"
import { type Cable, layCable } from "../harness/cable.ts"
import { createDatabase } from "../harness/database.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/oracle.ts"
import {
  order,
  type ScriptedScoring,
  startScriptedScoring,
  status,
} from "../harness/scripted-scoring.ts"
import { startSystem, type System } from "../harness/system.ts"

const PASSWORD = "an operator's password"

describeOnBackends("a worker's liveness", (backend) => {
  let scoring: ScriptedScoring
  let system: System
  let queue: AccrualQueue
  /** Between the worker and the database. */
  let cable: Cable
  let workerUrl: string
  beforeEach(async () => {
    scoring = await startScriptedScoring()
    const database = await createDatabase()
    cable = await layCable(database.url)
    const workerEnv = {
      DATABASE_URL: cable.url,
      OPERATORS_PASSWORD: PASSWORD,
      SCORING_TIMEOUT: "500ms",
      LIVENESS_TIMEOUT: "1500ms",
    }
    system = await startSystem({ backend, database, scoringUrl: scoring.url, workerEnv })
    queue = await openQueue(system)
    workerUrl = system.workers[0]?.details["operatorsUrl"] ?? ""
  })
  afterEach(async () => {
    await queue.close()
    await system.close()
    await cable.close()
    await scoring.close()
  })

  // The customers' API has a path of this name too, and `fetch` is held to its description.
  const ask = (path: string, headers = {}) =>
    new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
      get(`${workerUrl}${path}`, { headers }, (response) => {
        const { statusCode } = response
        text(response).then((body) => resolve({ status: statusCode, body }), reject)
      }).on("error", reject)
    })
  const health = async () => {
    const { status: code, body } = await ask("/healthz")
    return `${code} ${(JSON.parse(body) as { status: string }).status}`
  }
  const expectHealth = (what: string) => eventually(what, async () => (await health()) === what)
  const expectAlive = async (forMs: number) => {
    const end = performance.now() + forMs
    while (performance.now() < end) expect(await health()).toBe("200 alive")
  }
  const upload = async (...replies: Parameters<ScriptedScoring["script"]>[1][]) => {
    const number = newNumber()
    scoring.script(number, ...replies)
    await (await system.register()).upload(number)
    return number
  }

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
    expect(metrics.body).toContain("gofermart_polls_under_way 0")
  })

  it("is lost when it does not end what it has begun, and comes back when it does", async () => {
    const number = await upload(order("INVALID"))
    await expectAllSettledOnce(system, [number])
    await expectAlive(2_000)
    cable.freeze()
    const stuck = await upload(order("INVALID"))
    await expectHealth("503 stuck")
    await cable.mend()
    await expectHealth("200 alive")
    await expectAllSettledOnce(system, [stuck])
  })

  // Redis has no way to keep a job from a worker who may have it.
  const KEPT_FROM_IT = backend === "postgresql" ? ["somebody has locked the jobs"] : []
  it.each(KEPT_FROM_IT)("is lost when it begins nothing of what is due: %s", async () => {
    await system.workers[0]?.stop()
    const number = await upload(order("INVALID"))
    await eventually("its job", () => queue.getJob(`order-${number}`))
    // A worker passes over the jobs that somebody has locked.
    const holder = new Client({ connectionString: system.database.url })
    await holder.connect()
    await holder.query("BEGIN; SELECT FROM bullmq.job FOR UPDATE")
    const worker = await system.addWorker()
    workerUrl = worker.details["operatorsUrl"] ?? ""
    await expectHealth("503 stuck")
    await holder.query("COMMIT")
    await holder.end()
    await expectHealth("200 alive")
    await expectAllSettledOnce(system, [number])
  })

  it("is not lost to an operator who lets only so many jobs run at once", async () => {
    await queue.setGlobalConcurrency(1)
    const held = Promise.withResolvers<void>()
    const logger = createLogger("tests", "silent")
    const hanging = await openAccrualWorker(system.queueUrl, logger, () => held.promise, {})
    await system.workers[0]?.stop()
    await upload(order("INVALID"))
    await eventually("it is held", async () => (await queue.getActiveCount()) === 1)
    const worker = await system.addWorker()
    workerUrl = worker.details["operatorsUrl"] ?? ""
    await upload(order("INVALID"))
    await expectAlive(2_500)
    held.resolve()
    await hanging.close()
  })

  it("is not lost to a scoring system that is slow, to a pause, nor to a queue that is away", async () => {
    const slow = await upload(
      () => {},
      () => {},
      () => {},
      order("INVALID"),
    )
    await expectAlive(2_500)
    await expectAllSettledOnce(system, [slow])
    const paused = await upload(status(429, { "retry-after": "3" }), order("INVALID"))
    await eventually("the pause", async () => scoring.polls(paused).length === 1)
    await expectAlive(2_500)
    await expectAllSettledOnce(system, [paused])
    if (system.redis === undefined) return
    await system.redis.kill()
    await expectHealth("200 queue unavailable")
    await system.redis.start()
    await expectHealth("200 alive")
  })
})
