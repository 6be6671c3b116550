import { setTimeout as sleep } from "node:timers/promises"
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
  together,
  unknown,
} from "@gofermart/scoring-simulator/scripted.ts"
import { startSystem, type System, type SystemOptions } from "../harness/system.ts"
import { startBreakpointProxy } from "../harness/breakpoint-proxy.ts"
import {
  expectEarned,
  expectQueueEmpty,
  lastSettlementAt,
  openQueue,
  statusOf,
} from "../harness/database-breakpoints.ts"

const GRACE_MS = 4_000

describeOnBackends("Settling", (backend) => {
  let scoring: ScriptedScoring
  let system: System
  let queue: AccrualQueue

  beforeEach(async () => {
    scoring = await startScriptedScoring()
  })
  afterEach(async () => {
    await queue.close()
    await scoring.close()
  })
  const start = async (options: Omit<SystemOptions, "backend" | "scoringUrl">) => {
    system = await startSystem({ ...options, backend, scoringUrl: scoring.url })
    queue = await openQueue(system)
  }

  it("36: the same order under ten jobs at once: one credit", async () => {
    await start({ workers: 2 })
    const anna = await system.register()
    const number = newNumber()
    scoring.script(number, together(11, order("PROCESSED", "36")))
    await anna.upload(number)
    await queue.addBulk(
      Array.from({ length: 10 }, (_, i) => ({
        name: "poll",
        data: { number, polls: 0 },
        opts: { jobId: `another-${i}` },
      })),
    )
    await expectAllSettledOnce(system, [number])
    await expectQueueEmpty(queue)
    expect(scoring.polls(number)).toHaveLength(11)
    await expectEarned(system, anna.login, "36.00", 1)
    await system.database.expectNoneInTransaction()
  })

  it.each([
    ["ahead", new URL("../harness/clock-an-hour-ahead.ts", import.meta.url)],
    ["behind", new URL("../harness/clock-an-hour-behind.ts", import.meta.url)],
  ])("37: a worker's clock an hour %s: early or late, never wrong", async (_way, clock) => {
    const env = { SCORING_UNREGISTERED_GRACE: `${GRACE_MS}ms` }
    await start({ workers: 1, env })
    const wire = await startBreakpointProxy(scoring.url)
    await system.addWorker({ NODE_OPTIONS: `--import=${clock.href}`, SCORING_URL: wire.url })
    const itAsks = wire.holdAt("GET /api/orders/").then(() => wire.release())
    const anna = await system.register()
    const never = newNumbers(20)
    const late = newNumbers(20)
    for (const number of never) scoring.script(number, unknown)
    const later = [unknown, order("REGISTERED"), order("PROCESSED", "37")]
    for (const number of late) scoring.script(number, ...later)
    const finalAt = new Map<string, number>()
    await Promise.all([...never, ...late].map((number) => anna.upload(number)))
    await itAsks
    await eventually("the unknown orders are final", async () => {
      for (const number of never) {
        const status = await statusOf(system, number)
        if (status === "UNREGISTERED" && !finalAt.has(number))
          finalAt.set(number, performance.now())
      }
      return finalAt.size === never.length
    })
    const waited = never.map((number) => {
      return (finalAt.get(number) ?? 0) - (scoring.polls(number)[0] ?? 0)
    })
    expect(Math.min(...waited)).toBeGreaterThanOrEqual(GRACE_MS)
    await expectAllSettledOnce(system, [...never, ...late])
    for (const number of late) expect(await statusOf(system, number)).toBe("PROCESSED")
    await expectEarned(system, anna.login, "740.00", 40)
    await expectQueueEmpty(queue)
    await system.database.expectNoneInTransaction()
    await wire.close()
  })

  it("38: 204s and then a verdict: credited, unless the 204 is a stale one: ignored", async () => {
    const env = { SCORING_UNREGISTERED_GRACE: `${GRACE_MS}ms`, SCORING_TIMEOUT: "30s" }
    await start({ workers: 0, env })
    const [early, late, frozen] = await Promise.all([0, 1, 2].map(() => system.register()))
    if (early === undefined || late === undefined || frozen === undefined) throw new Error()
    const wire = await startBreakpointProxy(system.database.url)
    const stopped = await system.addWorker({
      DATABASE_URL: wire.url,
      QUEUE_URL: system.queueUrl,
    })
    const stale = newNumber()
    const isSettling = wire.holdAt("settle_accruals")
    await frozen.upload(stale)
    await isSettling
    stopped.kill("SIGSTOP")

    await system.addWorker()
    const [inTime, afterwards] = [newNumber(), newNumber()]
    scoring.script(inTime, unknown, unknown, order("PROCESSED", "38"))
    await Promise.all([early.upload(inTime), late.upload(afterwards)])
    await expectAllSettledOnce(system, [inTime, afterwards])
    expect(await statusOf(system, inTime)).toBe("PROCESSED")
    expect(scoring.polls(inTime)).toHaveLength(3)
    await expectEarned(system, early.login, "38.00", 1)

    expect(await statusOf(system, afterwards)).toBe("UNREGISTERED")
    scoring.script(afterwards, order("PROCESSED", "3.80"))
    await queue.add("poll", { number: afterwards, polls: 0 }, { jobId: "late" })
    const isCredited = async () => (await statusOf(system, afterwards)) === "PROCESSED"
    await eventually("the late verdict counts", isCredited)
    await expectEarned(system, late.login, "3.80", 2)

    const isGivenUp = async () => (await statusOf(system, stale)) === "UNREGISTERED"
    await eventually("the stopped worker's order is given up", isGivenUp, 60_000)
    const mayAnswer = Promise.withResolvers<void>()
    scoring.script(stale, (number, response) => {
      void mayAnswer.promise.then(() => order("PROCESSED", "0.38")(number, response))
    })
    expect(await frozen.upload(stale)).toBe(202)
    const before = await lastSettlementAt(system)
    await sleep(20)
    wire.release()
    const hasRun = async () => (await lastSettlementAt(system)) > before
    await eventually("the stale statement runs", hasRun)
    expect(await statusOf(system, stale)).toBe("PROCESSING")
    stopped.kill("SIGCONT")
    await sleep(1_000)
    expect(await statusOf(system, stale)).toBe("PROCESSING")
    mayAnswer.resolve()
    await expectAllSettledOnce(system, [stale])
    await expectEarned(system, frozen.login, "0.38", 2)
    await expectQueueEmpty(queue)
    await system.database.expectNoneInTransaction()
    await wire.close()
  })
})
