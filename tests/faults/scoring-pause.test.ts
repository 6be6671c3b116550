import { setTimeout as sleep } from "node:timers/promises"
import { expect, it, onTestFinished } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { order, type Reply, startScriptedScoring } from "@gofermart/scoring-simulator/scripted.ts"
import { startSystem, type System } from "../harness/system.ts"
import { sql } from "@gofermart/shared/db/client.ts"
import { readInstant } from "../harness/instants.ts"

/** How much later than the 429 a call may still begin: it was on its way. */
const TOLERANCE_MS = 250
/** Of a pause that outlasts it, this much is watched. */
const WATCHED_MAX_MS = 3_000
/** How far from what it is to be a pause may be in the database. */
const SPREAD_MS = 1_500
/** The longest pause that is waited for is 10 s, requeue's longest lease 5 s; and 30 s. */
const SETTLED_WITHIN_MS = 40_000
const ORDERS = 120
const WINDOW_MS = 4_000
const ANSWER_MS = 60
/** Both workers are at it, and most orders are still to be polled. */
const CALLS_BEFORE = 12

/** The header, and for how long it asks to wait. */
type Kind = [kind: string, header: () => string | undefined, usualMs: number | undefined]

const SHORT_AND_LONG: Kind[] = [
  ["of seconds", () => "2", 2_000],
  ["that is absent, which is a minute", () => undefined, 60_000],
]
/** On one queue: it is told for how long to pause, and not how that was read. */
const OTHER_KINDS: Kind[] = [
  ["of an HTTP date", inTwoSeconds, undefined],
  ["that is negative, which is a second", () => "-5", 1_000],
  ["of 10^9, which is ten minutes", () => "1000000000", 600_000],
  ["of a date in the year 9999, which is ten minutes", () => FAR_AWAY, 600_000],
  ["of rubbish, which is a minute", () => "10^9", 60_000],
]

interface Call {
  worker: string
  at: number
}

describeOnBackends("a scoring system that answers 429 to one of two workers", (backend) => {
  /** Starts two busy workers, the first of which is refused in the middle of it. */
  const startRefused = async (refuse: (call: Call, calls: Call[]) => Reply | undefined) => {
    const scoring = await startScriptedScoring()
    onTestFinished(() => scoring.close())
    const calls: Call[] = []
    const reply: Reply = (number, response) => {
      const call = { worker: response.req.url?.split("/")[1] ?? "", at: performance.now() }
      calls.push(call)
      const refusal = refuse(call, calls)
      if (refusal === undefined) setTimeout(order("PROCESSED", "1"), ANSWER_MS, number, response)
      else refusal(number, response)
    }
    const numbers = newNumbers(ORDERS)
    for (const number of numbers) scoring.script(number, reply)
    const system = await startSystem({ backend, workers: 0, env: { WORKER_CONCURRENCY: "2" } })
    const startWorker = (name: string) =>
      system.addWorker({ SCORING_URL: `${scoring.url}/${name}` })
    const startWorkers = () => Promise.all(["first", "second"].map(startWorker))
    await startWorkers()
    const anna = await system.register()
    await Promise.all(numbers.map((number) => anna.upload(number)))
    return { system, numbers, calls, startWorker, startWorkers }
  }
  const bothAreBusy = (calls: Call[]) =>
    calls.length >= CALLS_BEFORE && new Set(calls.map(({ worker }) => worker)).size === 2

  const kinds = backend === "postgresql" ? [...SHORT_AND_LONG, ...OTHER_KINDS] : SHORT_AND_LONG
  it.each(kinds)(
    "30: Retry-After %s: no call until the pause is over",
    async (_kind, header, usualMs) => {
      let refusedAt = Infinity
      let pauseMs = 0
      const { system, numbers, calls, startWorkers } = await startRefused((call, all) => {
        if (refusedAt !== Infinity || call.worker !== "first" || !bothAreBusy(all)) return undefined
        const value = header()
        refusedAt = performance.now()
        pauseMs = usualMs ?? Date.parse(value ?? "") - Date.now()
        return refused(value === undefined ? {} : { "retry-after": value })
      })
      await eventually("the first worker was refused", async () => refusedAt !== Infinity)
      const leftMs = await fleetPauseMs(system)
      const elapsedMs = performance.now() - refusedAt
      expect(leftMs + elapsedMs).toBeGreaterThan(pauseMs - SPREAD_MS)
      expect(leftMs + elapsedMs).toBeLessThan(pauseMs + SPREAD_MS)
      const watchedMs = Math.min(pauseMs, WATCHED_MAX_MS)
      await sleep(watchedMs - (performance.now() - refusedAt))
      const waiting = await countProcessing(system)
      expect(waiting).toBeGreaterThan(0)
      if (watchedMs < pauseMs) await endPause(system, startWorkers)
      await expectAllSettledOnce(system, numbers, SETTLED_WITHIN_MS)
      const during = calls.filter(
        ({ at }) => at > refusedAt + TOLERANCE_MS && at < refusedAt + watchedMs,
      )
      expect(during).toEqual([])
    },
  )

  it("30: a short 429 never ends a long pause", async () => {
    const LONG_MS = 10_000
    let heldAt = Infinity
    let refusedAt = Infinity
    let toldAt = Infinity
    // The second worker is asked to wait for a second when the long pause is on already.
    const short: Reply = (number, response) => {
      const tell = () => {
        if (performance.now() < refusedAt + TOLERANCE_MS) return void setTimeout(tell, 10)
        toldAt = performance.now()
        refused({ "retry-after": "1" })(number, response)
      }
      tell()
    }
    const { system, numbers, calls, startWorker } = await startRefused(({ worker, at }, all) => {
      if (!bothAreBusy(all)) return undefined
      if (worker === "second" && heldAt === Infinity) {
        heldAt = at
        return short
      }
      if (worker === "first" && heldAt !== Infinity && refusedAt === Infinity) {
        refusedAt = at
        return refused({ "retry-after": `${LONG_MS / 1_000}` })
      }
      return undefined
    })
    await eventually("the second worker was refused", async () => toldAt !== Infinity)
    // Workers that know of the long pause sleep through it; one that comes now does not.
    await startWorker("third")
    expect(performance.now()).toBeLessThan(refusedAt + LONG_MS - 2_000)
    const leftMs = refusedAt + LONG_MS - performance.now()
    expect(await fleetPauseMs(system)).toBeGreaterThan(leftMs - SPREAD_MS)
    await expectAllSettledOnce(system, numbers, SETTLED_WITHIN_MS)
    const during = calls.filter(
      ({ at }) => at > refusedAt + TOLERANCE_MS && at < refusedAt + LONG_MS,
    )
    expect(during).toEqual([])
    expect(calls.filter(({ at }) => at >= refusedAt + LONG_MS).length).toBeGreaterThan(0)
  })
})

describeOnBackends("a scoring system that allows 10 requests in a window", (backend) => {
  it("is left alone by both workers until its Retry-After has passed, and settles all", async () => {
    const system = await startSystem({ backend, workers: 2 })
    const numbers = newNumbers(20)
    for (const number of numbers) await system.simulator.know(number, 1)
    await system.simulator.behave({ requestsPerMinute: 10, windowMs: WINDOW_MS })
    const anna = await system.register()
    await Promise.all(numbers.map((number) => anna.upload(number)))
    await expectAllSettledOnce(system, numbers)
    expect(await anna.balance()).toEqual({ current: 20, withdrawn: 0 })

    const calls = await system.simulator.calls()
    const refusals = calls.filter((call) => call.status === 429)
    expect(refusals.length).toBeGreaterThan(0)
    // Retry-After is the rest of the window in whole seconds, rounded up; the window begins with
    // its first call.
    const windowStart = calls[0]?.at ?? 0
    const firstRefusal = refusals[0]?.at ?? 0
    const pauseMs = Math.ceil((windowStart + WINDOW_MS - firstRefusal) / 1_000) * 1_000
    const during = calls.filter(
      ({ at }) => at > firstRefusal + TOLERANCE_MS && at < firstRefusal + pauseMs,
    )
    expect(during).toEqual([])
  })
})

/** It names a limit that does not hold the orders up: this is about the pause. */
function refused(headers: Record<string, string>): Reply {
  return (_number, response) =>
    response.writeHead(429, headers).end("No more than 6000 requests per minute allowed")
}

const FAR_AWAY = "Fri, 31 Dec 9999 23:59:59 GMT"

/** HTTP dates have whole seconds. */
function inTwoSeconds(): string {
  return new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 2_000).toUTCString()
}

function countProcessing(system: System): Promise<number> {
  return system.database.client.accrual.count({ where: { status: "PROCESSING" } })
}

/** For how long the database says that the fleet's pause still is. */
async function fleetPauseMs(system: System): Promise<number> {
  const pausedUntilUs = await eventually("the pause is in the database", () =>
    readInstant(system.database.client, sql`(SELECT paused_until FROM scoring_pause)`),
  )
  return pausedUntilUs / 1_000 - Date.now()
}

/** What an operator does who will not wait: a fleet that starts anew knows what the database says. */
async function endPause(system: System, startWorkers: () => Promise<unknown>): Promise<void> {
  await Promise.all(system.workers.map((worker) => worker.stop()))
  await system.database.client.scoringPause.deleteMany()
  await startWorkers()
}
