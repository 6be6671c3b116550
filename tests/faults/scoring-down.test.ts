import { setTimeout as sleep } from "node:timers/promises"
import { recordOrders } from "@gofermart/shared/ledger/record-orders.ts"
import { expect, it, onTestFinished } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { countFinal } from "../harness/load.ts"
import { newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import {
  order,
  type Reply,
  startScriptedScoring,
  status,
} from "@gofermart/scoring-simulator/scripted.ts"
import { startSystem } from "../harness/system.ts"

const ORDERS = 10_000
const ORDERS_PER_CALL = 1_000
const WORKERS = 2
const CONCURRENCY = 25
/** Of calls until the outage is known: two, and more where other files keep the machine busy. */
const ROUNDS_BEFORE_MAX = 4
/** Requeue's leases run out several times meanwhile. */
const DOWN_MS = 15_000
const LEASE_MAX_MS = 10_000
/** For so many orders it is down for longer, alone. */
const LEFT = 30
const STILL_DOWN_MS = 6_000
/** The backoff: 1 s, 2 s, 4 s …, less its jitter. */
const BACKOFF_FIRST_MIN_MS = 800
/** While it was down for a minute or two no order is put off for longer. */
const BACKOFF_MAX_MS = 60_000
/**
 * When only a few of the others are left, every poll fails, as in an outage: they wait
 * for their turn among those that do, at one poll a second.
 */
const TURN_MAX_MS = LEFT * 1_000
const SETTLED_WITHIN_MS = BACKOFF_MAX_MS + TURN_MAX_MS + 30_000

describeOnBackends("a scoring system that is down", (backend) => {
  it("31: 5xx with 10,000 orders waiting: bounded load on it, all settle when it heals", async () => {
    const scoring = await startScriptedScoring()
    onTestFinished(() => scoring.close())
    let isDown = (_number: string) => true
    let atOnce = 0
    let atOnceMax = 0
    const reply: Reply = (number, response) => {
      atOnce += 1
      atOnceMax = Math.max(atOnceMax, atOnce)
      response.on("close", () => (atOnce -= 1))
      const answer = isDown(number) ? status(503) : order("PROCESSED", "1")
      answer(number, response)
    }
    const system = await startSystem({
      backend,
      scoringUrl: scoring.url,
      workers: 0,
      env: {
        WORKER_CONCURRENCY: `${CONCURRENCY}`,
        REQUEUE_LEASE_MAX: `${LEASE_MAX_MS}ms`,
      },
    })
    const { client } = system.database
    const anna = await system.register()
    const { id: userId } = await client.user.findUniqueOrThrow({ where: { login: anna.login } })
    const numbers = newNumbers(ORDERS)
    for (const number of numbers) scoring.script(number, reply)
    for (let from = 0; from < ORDERS; from += ORDERS_PER_CALL) {
      const page = numbers.slice(from, from + ORDERS_PER_CALL)
      await recordOrders(
        client,
        page.map((number) => ({ userId, number })),
        0,
      )
    }
    for (let i = 0; i < WORKERS; i++) await system.addWorker()
    await sleep(DOWN_MS)
    expect(await countFinal(system)).toBe(0)
    // What began before the outage was found out, in a few rounds, and then one call a second.
    const calls = numbers.flatMap((number) => scoring.polls(number))
    expect(calls.length).toBeGreaterThan(DOWN_MS / 2_000)
    expect(calls.length).toBeLessThanOrEqual(
      ROUNDS_BEFORE_MAX * WORKERS * CONCURRENCY + DOWN_MS / 1_000,
    )
    for (const number of numbers) expectBackedOff(scoring.polls(number))
    // Some orders fail when it is back for the others: that is no outage, and theirs is a backoff.
    const left = numbers.slice(0, LEFT)
    const stillDown = new Set<string>(left)
    isDown = (number) => stillDown.has(number)
    await eventually(
      "the others are settled",
      async () => (await countFinal(system)) === ORDERS - LEFT,
      SETTLED_WITHIN_MS,
    )
    await sleep(STILL_DOWN_MS)
    expect(await countFinal(system)).toBe(ORDERS - LEFT)
    for (const number of left) expectBackedOff(scoring.polls(number))
    isDown = () => false
    await eventually(
      "all are settled",
      async () => (await countFinal(system)) === ORDERS,
      SETTLED_WITHIN_MS,
    )
    await expectAllSettledOnce(system, numbers)
    expect((await anna.balance()).current).toBe(ORDERS)
    expect(atOnceMax).toBeLessThanOrEqual(WORKERS * CONCURRENCY)
  })
})

/** So an outage of a quarter of an hour costs some twenty calls for each order, and not thousands. */
function expectBackedOff(polls: number[]): void {
  for (const [i, at] of polls.slice(1).entries()) {
    expect(at - (polls[i] ?? 0)).toBeGreaterThanOrEqual(BACKOFF_FIRST_MIN_MS * 2 ** i)
  }
}
