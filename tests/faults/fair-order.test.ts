import { setTimeout as sleep } from "node:timers/promises"
import { expect, it } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumbers } from "../harness/numbers.ts"
import { startSystem, type System } from "../harness/system.ts"

/** Low enough that two workers meet it on a slow machine as well. */
const LIMIT = { requestsPerMinute: 300, windowMs: 5_000 }
/** More than one window's: so the limit is met. */
const SLOW = 400
const FRESH = 50
const ORDERS = SLOW + FRESH
const FRESH_EVERY_MS = 50
/**
 * While so many orders wait, no more calls are made before one that is new is polled for the
 * first time: as many as there are, and half of them go to those that were polled before.
 */
const CALLS_BEFORE_FRESH_MAX = 2 * ORDERS
/** Nor between two about a slow one: two rounds that it is put off for, give or take, and a third. */
const CALLS_BETWEEN_POLLS_MAX = (2 * 1.2 + 1) * ORDERS
const CALLED_WITHIN_MS = 150_000

describeOnBackends("under a limit, with orders that never become final", (backend) => {
  let system: System

  it("new orders are polled within two rounds, and slow ones within four", async () => {
    system = await startSystem({
      backend,
      workers: 2,
      simulatorApart: true,
      env: { REQUEUE_LEASE_MIN: "5m", REQUEUE_LEASE_MAX: "10m" },
    })
    await system.simulator.behave({ ...LIMIT, autoRegister: true, pendingAnswers: 1_000_000 })
    const anna = await system.register()
    const slow = newNumbers(SLOW)
    await Promise.all(slow.map((number) => anna.upload(number)))
    await eventually("the limit is learned", async () => {
      const { limitPerMinute } = await system.database.client.scoringPace.findFirstOrThrow()
      return limitPerMinute !== null
    })
    const fresh = new Map<string, number>()
    for (const number of newNumbers(FRESH)) {
      expect(await anna.upload(number)).toBe(202)
      fresh.set(number, Date.now())
      await sleep(FRESH_EVERY_MS)
    }
    const answered = async () =>
      (await system.simulator.calls()).filter(({ status }) => status === 200)
    const firstCalls = (await answered()).length
    await eventually(
      "enough calls are made",
      async () => (await answered()).length - firstCalls > CALLS_BETWEEN_POLLS_MAX,
      CALLED_WITHIN_MS,
    )
    const calls = await answered()
    for (const [number, uploadedAt] of fresh) {
      const first = calls.findIndex((call) => call.number === number)
      expect(first).toBeGreaterThanOrEqual(0)
      const before = calls.slice(0, first).filter(({ at }) => at > uploadedAt)
      expect(before.length).toBeLessThanOrEqual(CALLS_BEFORE_FRESH_MAX)
    }
    const late = new Set(calls.slice(firstCalls).map(({ number }) => number))
    expect(slow.filter((number) => !late.has(number))).toEqual([])
  })
})
