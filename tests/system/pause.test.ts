import { setTimeout as sleep } from "node:timers/promises"
import { openAccrualQueue, queuePauseMs } from "@gofermart/shared/queue/backend.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { afterAll, beforeAll, expect, it } from "vitest"
import { describeOnBackends, describeOnRedis } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/oracle.ts"
import {
  order,
  type Reply,
  type ScriptedScoring,
  startScriptedScoring,
  status,
} from "../harness/scripted-scoring.ts"
import { startSystem, type System } from "../harness/system.ts"

const WINDOW_MS = 4_000
/** How much later than a 429 a call may still begin: it was on its way. */
const TOLERANCE_MS = 250

describeOnBackends("a scoring system that allows 10 requests in a window", (backend) => {
  let system: System
  beforeAll(async () => {
    system = await startSystem({ backend, workers: 2 })
  })
  afterAll(() => system.close())

  it("is left alone by both workers until its Retry-After has passed, and settles all", async () => {
    const numbers = newNumbers(20)
    for (const number of numbers) await system.simulator.know(number, 1)
    await system.simulator.behave({ requestsPerMinute: 10, windowMs: WINDOW_MS })
    const anna = await system.register()
    await Promise.all(numbers.map((number) => anna.upload(number)))
    await expectAllSettledOnce(system, numbers)
    expect(await anna.balance()).toEqual({ current: 20, withdrawn: 0 })

    const calls = await system.simulator.calls()
    const refused = calls.filter((call) => call.status === 429)
    expect(refused.length).toBeGreaterThan(0)
    // Retry-After is the rest of the window in whole seconds, rounded up; the window begins with
    // its first call.
    const windowStart = calls[0]?.at ?? 0
    const firstRefusal = refused[0]?.at ?? 0
    const pauseMs = Math.ceil((windowStart + WINDOW_MS - firstRefusal) / 1_000) * 1_000
    const during = calls.filter(
      ({ at }) => at > firstRefusal + TOLERANCE_MS && at < firstRefusal + pauseMs,
    )
    expect(during).toEqual([])
  })
})

describeOnBackends("a scoring system that refuses one worker", (backend) => {
  let scoring: ScriptedScoring
  let system: System
  beforeAll(async () => {
    scoring = await startScriptedScoring()
    // One poll at a time each: only one of the two workers hears of the refusal.
    const env = { WORKER_CONCURRENCY: "1" }
    system = await startSystem({ backend, workers: 2, scoringUrl: scoring.url, env })
  })
  afterAll(async () => {
    await system.close()
    await scoring.close()
  })

  const refuse = (retryAfterS: number) => status(429, { "retry-after": `${retryAfterS}` })
  const slowly =
    (reply: Reply): Reply =>
    (number, response) =>
      void setTimeout(() => reply(number, response), 60)
  const allPolls = (numbers: string[]) => numbers.flatMap((number) => scoring.polls(number))
  const firstPoll = (number: string) =>
    eventually("the refused poll", async () => scoring.polls(number)[0])

  it("is left alone by the other worker as well", async () => {
    const [refused = "", ...others] = newNumbers(60)
    for (const number of others) scoring.script(number, slowly(order("PROCESSED", "1")))
    scoring.script(refused, refuse(3), order("PROCESSED", "1"))
    const anna = await system.register()
    await Promise.all([...others.slice(0, 10), refused].map((number) => anna.upload(number)))
    await Promise.all(others.slice(10).map((number) => anna.upload(number)))
    const at = await firstPoll(refused)
    await expectAllSettledOnce(system, [refused, ...others])
    const polls = allPolls([refused, ...others])
    const during = polls.filter((poll) => poll > at + TOLERANCE_MS && poll < at + 3_000)
    expect(during).toEqual([])
    expect(polls.filter((poll) => poll >= at + 3_000).length).toBeGreaterThan(0)
  })

  it("is left alone for the longer of two pauses, whichever was told last", async () => {
    const [long = "", short = "", other = ""] = newNumbers(3)
    const held = Promise.withResolvers<void>()
    scoring.script(long, refuse(4), order("PROCESSED", "1"))
    const late: Reply = (number, response) =>
      void held.promise.then(() => refuse(1)(number, response))
    scoring.script(short, late, order("PROCESSED", "1"))
    scoring.script(other, order("PROCESSED", "1"))
    const anna = await system.register()
    await anna.upload(short)
    await firstPoll(short)
    await anna.upload(long)
    const at = await firstPoll(long)
    // The short refusal arrives when the long pause is on.
    setTimeout(held.resolve, 200)
    await anna.upload(other)
    await sleep(600)
    const { pausedUntil } = await system.database.client.scoringPause.findFirstOrThrow()
    expect(pausedUntil.getTime() - Date.now()).toBeGreaterThan(2_000)
    await expectAllSettledOnce(system, [long, short, other])
    const later = allPolls([long, short, other]).filter((poll) => poll > at + TOLERANCE_MS)
    expect(later.filter((poll) => poll < at + 4_000)).toEqual([])
    expect(later).toHaveLength(3)
  })
})

describeOnRedis("a pause whose queue is flushed", () => {
  it("holds: it is in the database", async () => {
    const scoring = await startScriptedScoring()
    const system = await startSystem({ backend: "redis", workers: 2, scoringUrl: scoring.url })
    const [refused = "", later = ""] = newNumbers(2)
    scoring.script(refused, status(429, { "retry-after": "5" }), order("PROCESSED", "1"))
    scoring.script(later, order("PROCESSED", "1"))
    const anna = await system.register()
    await anna.upload(refused)
    const at = await eventually("the refused poll", async () => scoring.polls(refused)[0])
    await eventually("the pause is in the database", () =>
      system.database.client.scoringPause.findFirst().then((pause) => pause ?? undefined),
    )
    await system.redis?.flushAll()
    // Until a worker has seen the loss nothing may be there to be asked about.
    await eventually("the queue holds the pause again", async () => {
      const queue = await openAccrualQueue(system.queueUrl, createLogger("tests", "silent"))
      const pausedMs = await queuePauseMs(queue)
      await queue.close()
      return pausedMs > 0
    })
    await anna.upload(later)
    await expectAllSettledOnce(system, [refused, later])
    const early = [...scoring.polls(refused).slice(1), ...scoring.polls(later)].filter(
      (poll) => poll < at + 5_000,
    )
    await system.close()
    await scoring.close()
    expect(early).toEqual([])
  })
})
