import type { ServerResponse } from "node:http"
import { sql } from "@gofermart/shared/db/client.ts"
import type { AccrualQueue, PollJob } from "@gofermart/shared/queue/poll-job.ts"
import { expect, it, onTestFinished } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { readInstant } from "../harness/instants.ts"
import { newNumber, newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import {
  json,
  order,
  type Reply,
  startScriptedScoring,
  status,
  unknown,
} from "@gofermart/scoring-simulator/scripted.ts"
import { type Backend, startSystem, type System } from "../harness/system.ts"
import { openQueue } from "../harness/database-breakpoints.ts"

const RETRY_AFTER_S = 3
/** It names a limit at which all orders that wait could be polled in no time. */
const HIGH_LIMIT = "No more than 60000 requests per minute allowed"
/** Of one a second, until its refusal has reached everybody. */
const PROBES_MAX = 2
const REFUSALS = 3
const WAITING = 60
/** Answers that take longer than a pause and a trickle's first polls. */
const SLOW = 90
const SLOW_MS = 3_500
const SLOW_STEP_MS = 50
/** Too few to be an outage by their number. */
const FEW_AT_ONCE = { WORKER_CONCURRENCY: "2" }
/** Longer than any of requeue's own leases. */
const ORDER_WAIT_S = 6
const DAY_MS = 86_400_000
const PAUSE_MAX_MS = 600_000
const PROCESSING = `{"order":"ORDER","status":"PROCESSING"}`

describeOnBackends("a scoring system that refuses", (backend) => {
  it.each([429, 503])(
    "30: with %i again after each pause, is polled by one after each, until it accepts",
    async (code) => {
      const refusedAt: number[] = []
      const calls: number[] = []
      let isRefusing = true
      const { system } = await startScripted(
        backend,
        (number, response) => {
          const now = performance.now()
          calls.push(now)
          if (!isRefusing) return order("PROCESSED", "1")(number, response)
          const isNews = now - (refusedAt.at(-1) ?? -Infinity) > RETRY_AFTER_S * 1_000 - 100
          if (isNews) refusedAt.push(now)
          response.writeHead(code, { "retry-after": `${RETRY_AFTER_S}` }).end(HIGH_LIMIT)
        },
        FEW_AT_ONCE,
      )
      const anna = await system.register()
      const numbers = newNumbers(WAITING)
      await Promise.all(numbers.map((number) => anna.upload(number)))
      await eventually("it has refused again and again", async () => refusedAt.length > REFUSALS)
      isRefusing = false
      // The first refusal meets all that were on their way, any later one a probe.
      for (const at of refusedAt.slice(1)) {
        const probes = calls.filter((call) => call >= at && call < at + RETRY_AFTER_S * 1_000 - 100)
        expect(probes.length).toBeLessThanOrEqual(PROBES_MAX)
      }
      await expectAllSettledOnce(system, numbers)
    },
  )

  it.each([429, 503])(
    "30: with %i, is polled by one after each pause although answers from before it come in",
    async (code) => {
      const refusedAt: number[] = []
      const calls: number[] = []
      let isRefusing = false
      let slow = 0
      const { system } = await startScripted(
        backend,
        (number, response) => {
          const now = performance.now()
          if (!isRefusing) {
            // They come when the pause is over, one after the other.
            setTimeout(order("PROCESSED", "1"), SLOW_MS + slow++ * SLOW_STEP_MS, number, response)
            return
          }
          calls.push(now)
          const isNews = now - (refusedAt.at(-1) ?? -Infinity) > RETRY_AFTER_S * 1_000 - 100
          if (isNews) refusedAt.push(now)
          response.writeHead(code, { "retry-after": `${RETRY_AFTER_S}` }).end(HIGH_LIMIT)
        },
        { SCORING_TIMEOUT: "19s", WORKER_CONCURRENCY: "100" },
      )
      const anna = await system.register()
      await Promise.all(newNumbers(SLOW).map((number) => anna.upload(number)))
      await eventually("they are all being polled", async () => slow === SLOW)
      isRefusing = true
      await anna.upload(newNumber())
      await eventually("it has refused one", async () => refusedAt.length > 0)
      await Promise.all(newNumbers(WAITING).map((number) => anna.upload(number)))
      await eventually("it has refused again", async () => refusedAt.length > 2)
      for (const at of refusedAt.slice(1)) {
        const probes = calls.filter((call) => call >= at && call < at + RETRY_AFTER_S * 1_000 - 100)
        expect(probes.length).toBeLessThanOrEqual(PROBES_MAX)
      }
    },
  )
})

describeOnBackends("an answer that says when to poll its order again", (backend) => {
  const answers = (wait: Record<string, string>) => [
    json(PROCESSING, wait),
    status(204, wait),
    status(301, wait),
    status(404, wait),
    status(500, wait),
  ]

  it("30: puts that order off, whatever else it says, and no other", async () => {
    const { scoring, system } = await startScripted(backend, order("PROCESSED", "1"))
    const replies = [
      ...answers({ "retry-after": `${ORDER_WAIT_S}` }),
      // Made when it answers, since an HTTP date has whole seconds.
      (number: string, response: ServerResponse) =>
        json(PROCESSING, { "retry-after": dateIn(ORDER_WAIT_S + 1) })(number, response),
    ]
    const late = newNumbers(replies.length)
    const lost = newNumbers(replies.length)
    for (const [i, reply] of [...replies, ...replies].entries()) {
      scoring.script([...late, ...lost][i] ?? "", reply, order("PROCESSED", "1"))
    }
    const anna = await system.register()
    await Promise.all([...late, ...lost].map((number) => anna.upload(number)))
    await loseJobs(system, lost)
    await eventually("they are polled", async () =>
      late.every((number) => scoring.polls(number).length > 0),
    )
    const others = newNumbers(replies.length)
    await Promise.all(others.map((number) => anna.upload(number)))
    await expectAllSettledOnce(system, [...late, ...lost, ...others])
    // Requeue asks about those whose jobs are lost, and as late.
    for (const number of [...late, ...lost]) {
      const [first = 0, second = 0] = scoring.polls(number)
      expect(second).toBeGreaterThanOrEqual(first + ORDER_WAIT_S * 1_000)
    }
    const lastOther = Math.max(...others.flatMap((number) => scoring.polls(number)))
    const nextLate = Math.min(...late.map((number) => scoring.polls(number)[1] ?? 0))
    expect(lastOther).toBeLessThan(nextLate)
  })

  it("30: for an absurdly long time, or one that is over: a day, or as if it had not said so", async () => {
    const { scoring, system } = await startScripted(backend, order("PROCESSED", "1"))
    const absurd = [...answers({ "retry-after": "1000000000" }), ...answers({ "retry-after": FAR })]
    const over = [...answers({ "retry-after": "-5" }), ...answers({ "retry-after": dateIn(-60) })]
    const waiting = newNumbers(absurd.length)
    for (const [i, number] of waiting.entries()) scoring.script(number, absurd[i] ?? unknown)
    const soon = newNumbers(over.length)
    for (const [i, number] of soon.entries()) {
      scoring.script(number, over[i] ?? unknown, order("PROCESSED", "1"))
    }
    const anna = await system.register()
    const begunAt = Date.now()
    await Promise.all([...waiting, ...soon].map((number) => anna.upload(number)))
    await expectAllSettledOnce(system, soon)
    const queue = await openQueue(system)
    for (const number of waiting) {
      const job = await putOffJob(queue, number)
      const dueInMs = (job.data.dueAt ?? 0) - begunAt
      expect(dueInMs).toBeGreaterThanOrEqual(DAY_MS)
      expect(dueInMs).toBeLessThan(DAY_MS + Date.now() - begunAt + 1)
      const leaseUs = await readInstant(
        system.database.client,
        sql`(SELECT a.requeue_at FROM accruals a JOIN orders o ON o.id = a.order_id
              WHERE o.number = ${number})`,
      )
      expect((leaseUs ?? 0) / 1_000).toBeGreaterThan(begunAt + DAY_MS)
      expect(scoring.polls(number)).toHaveLength(1)
    }
    await queue.close()
  })

  it.each([["1000000000"], [FAR]])(
    "30: 503 and Retry-After %s: the fleet pauses for ten minutes, the order waits for a day",
    async (retryAfter) => {
      const { system } = await startScripted(backend, status(503, { "retry-after": retryAfter }))
      const anna = await system.register()
      const number = newNumber()
      const begunAt = Date.now()
      await anna.upload(number)
      const queue = await openQueue(system)
      const { data } = await putOffJob(queue, number)
      await queue.close()
      expect(data.dueAt).toBeGreaterThanOrEqual(begunAt + DAY_MS)
      const pausedUntilUs = await readInstant(
        system.database.client,
        sql`(SELECT paused_until FROM scoring_pause)`,
      )
      const pausedForMs = (pausedUntilUs ?? 0) / 1_000 - begunAt
      expect(pausedForMs).toBeGreaterThanOrEqual(PAUSE_MAX_MS)
      expect(pausedForMs).toBeLessThan(PAUSE_MAX_MS + Date.now() - begunAt + 1)
    },
  )
})

const FAR = "Fri, 31 Dec 9999 23:59:59 GMT"

function dateIn(seconds: number): string {
  return new Date(Date.now() + seconds * 1_000).toUTCString()
}

/** The job of an order that was polled, when it waits for the next time. */
function putOffJob(queue: AccrualQueue, number: string): Promise<PollJob> {
  return eventually(`order ${number} is put off`, async () => {
    const job = await queue.getJob(`order-${number}`)
    const isPutOff = job?.data.dueAt !== undefined && (await job.isDelayed())
    return isPutOff ? job : undefined
  })
}

async function loseJobs(system: System, numbers: string[]): Promise<void> {
  const queue = await openQueue(system)
  for (const number of numbers) await (await putOffJob(queue, number)).remove()
  await queue.close()
}

/** Starts two workers on a scoring system that answers every poll so. */
async function startScripted(backend: Backend, reply: Reply, env: Record<string, string> = {}) {
  const scoring = await startScriptedScoring(reply)
  onTestFinished(() => scoring.close())
  const system = await startSystem({ backend, workers: 2, scoringUrl: scoring.url, env })
  return { scoring, system }
}
