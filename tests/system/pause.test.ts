import { queuePauseMs } from "@gofermart/shared/queue/backend.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import { afterAll, beforeAll, expect, it } from "vitest"
import { openQueue } from "../harness/database-breakpoints.ts"
import { describeOnBackends, describeOnRedis } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumber, newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { untilRequeued } from "../harness/requeued.ts"
import {
  order,
  type Reply,
  type ScriptedScoring,
  startScriptedScoring,
} from "@gofermart/scoring-simulator/scripted.ts"
import { WITHOUT_REQUEUE } from "../harness/settings.ts"
import { startSystem, type System } from "../harness/system.ts"
import { sql } from "@gofermart/shared/db/client.ts"
import { readInstant } from "../harness/instants.ts"

/** Long enough for a busy machine to do in it what has to happen meanwhile. */
const PAUSE_S = 4

/** It names a limit that does not hold the orders up: this is about the pause. */
function refuse(retryAfterS: number): Reply {
  return (_number, response) => {
    response.writeHead(429, { "retry-after": `${retryAfterS}` })
    response.end("No more than 6000 requests per minute allowed")
  }
}

/** Answers once it is released. */
function held(reply: Reply): { reply: Reply; release(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return {
    reply: (number, response) => void promise.then(() => reply(number, response)),
    release: resolve,
  }
}

function pausedUntil({ database }: System): Promise<number | undefined> {
  return readInstant(database.client, sql`(SELECT paused_until FROM scoring_pause)`)
}

describeOnBackends("a scoring system that refuses one of two workers", (backend) => {
  let scoring: ScriptedScoring
  let system: System
  let queue: AccrualQueue
  beforeAll(async () => {
    scoring = await startScriptedScoring()
    // One poll at a time each: while one is held, the other worker gets the next poll.
    const env = { ...WITHOUT_REQUEUE, WORKER_CONCURRENCY: "1" }
    system = await startSystem({ backend, workers: 2, scoringUrl: scoring.url, env })
    queue = await openQueue(system)
  })
  afterAll(async () => {
    await queue.close()
    await system.close()
    await scoring.close()
  })

  const firstPoll = (number: string) =>
    eventually(`a poll about ${number}`, async () => scoring.polls(number)[0])
  /** Has one worker hold `first`, and the other one refused about `second`; resolves with when. */
  const holdAndRefuse = async (first: string, second: string) => {
    const before = await pausedUntil(system)
    const anna = await system.register()
    await anna.upload(first)
    await firstPoll(first)
    scoring.script(second, refuse(PAUSE_S), order("PROCESSED", "1"))
    await anna.upload(second)
    const refusedAt = await firstPoll(second)
    await eventually("the pause is in the database", async () => {
      return (await pausedUntil(system)) !== before
    })
    await eventually("the pause is in the queue", async () => (await queuePauseMs(queue)) > 0)
    return { anna, refusedAt }
  }

  it("is left alone by the other one as well, until its Retry-After has passed", async () => {
    const [busy, refused, ...others] = [newNumber(), newNumber(), ...newNumbers(10)]
    const answer = held(order("PROCESSED", "1"))
    scoring.script(busy, answer.reply)
    for (const number of others) scoring.script(number, order("PROCESSED", "1"))
    const { anna, refusedAt } = await holdAndRefuse(busy, refused)
    await Promise.all(others.map((number) => anna.upload(number)))
    answer.release()
    await expectAllSettledOnce(system, [busy, refused, ...others])
    const later = [refused, ...others].flatMap((number) => scoring.polls(number))
    expect(later).toHaveLength(others.length + 2)
    const early = later.filter((poll) => poll < refusedAt + PAUSE_S * 1_000)
    expect(early).toEqual([refusedAt])
  })

  it("is left alone for the longer of two pauses, whichever was told last", async () => {
    const [short, long, other] = [newNumber(), newNumber(), newNumber()]
    const shortRefusal = held(refuse(1))
    scoring.script(short, shortRefusal.reply, order("PROCESSED", "1"))
    scoring.script(other, order("PROCESSED", "1"))
    const { anna, refusedAt } = await holdAndRefuse(short, long)
    const untilUs = await pausedUntil(system)
    await anna.upload(other)
    shortRefusal.release()
    await eventually("the short refusal is dealt with", async () => {
      return (await queue.getJobState(`order-${short}`)) !== "active"
    })
    expect(await pausedUntil(system)).toBe(untilUs)
    await expectAllSettledOnce(system, [long, short, other])
    const later = [long, short, other].flatMap((number) => scoring.polls(number))
    expect(later).toHaveLength(5)
    const early = later.filter((poll) => poll < refusedAt + PAUSE_S * 1_000)
    expect(early).toEqual([refusedAt, ...scoring.polls(short).slice(0, 1)])
  })
})

describeOnRedis("a pause whose queue is flushed", () => {
  it("holds: it is in the database", async () => {
    const scoring = await startScriptedScoring()
    const system = await startSystem({
      backend: "redis",
      workers: 2,
      scoringUrl: scoring.url,
      env: { REQUEUE_LEASE_MIN: "500ms" },
    })
    const [refused, later] = [newNumber(), newNumber()]
    scoring.script(refused, refuse(600), order("PROCESSED", "1"))
    scoring.script(later, order("PROCESSED", "1"))
    const anna = await system.register()
    await anna.upload(refused)
    await eventually("the pause is in the database", () => pausedUntil(system))
    await system.redis?.flushAll()
    // Until a worker has seen the loss nothing may be there to be polled.
    const queue = await openQueue(system)
    await eventually("the queue holds the pause again", async () => {
      return (await queuePauseMs(queue)) > 0
    })
    await queue.close()
    await anna.upload(later)
    await untilRequeued(system, later)
    const endedAt = performance.now()
    await system.database.client.$executeRaw`
      UPDATE scoring_pause SET paused_until = clock_timestamp()`
    await expectAllSettledOnce(system, [refused, later])
    const polls = [...scoring.polls(refused).slice(1), ...scoring.polls(later)]
    await system.close()
    await scoring.close()
    expect(polls.filter((poll) => poll < endedAt)).toEqual([])
  })
})
