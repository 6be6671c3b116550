import { sql } from "@gofermart/shared/db/client.ts"
import { afterEach, beforeEach, expect, it } from "vitest"
import { openQueue } from "../harness/database-breakpoints.ts"
import { describeOnBackends } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { readInstant } from "../harness/instants.ts"
import { newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import {
  order,
  type ScriptedScoring,
  startScriptedScoring,
} from "@gofermart/scoring-simulator/scripted.ts"
import { startSystem, type System } from "../harness/system.ts"
import { scrape } from "../harness/exposition.ts"

const ORDERS = 30
const HOUR_MS = 3_600_000

interface Signal {
  due: number
  seconds: number
}

describeOnBackends("the signal for an autoscaler", (backend) => {
  let scoring: ScriptedScoring
  let system: System
  beforeEach(async () => {
    scoring = await startScriptedScoring()
    const env = {
      FLEET_WATCH_INTERVAL: "100ms",
      REQUEUE_LEASE_MIN: "10m",
      REQUEUE_LEASE_MAX: "10m",
    }
    system = await startSystem({ backend, workers: 0, scoringUrl: scoring.url, env })
  })
  afterEach(() => scoring.close())

  /** What KEDA would read. */
  const signal = async (): Promise<Signal> => {
    const [row] = await system.database.client.$queryRaw<Signal[]>`
      SELECT due_orders AS due, oldest_due_seconds AS seconds FROM autoscaling_signal`
    if (row === undefined) throw new Error("the signal has no row")
    return row
  }
  const signals = (what: string, is: (now: Signal) => boolean) =>
    eventually(`the signal: ${what}`, async () => is(await signal()))
  const untilSampled = async () => {
    const sampledAt = () =>
      readInstant(system.database.client, sql`(SELECT sampled_at FROM accrual_backlog)`)
    const before = await sampledAt()
    await eventually("the queue is looked at", async () => (await sampledAt()) !== before)
  }
  const upload = async (...replies: Parameters<ScriptedScoring["script"]>[1][]) => {
    const numbers = newNumbers(ORDERS)
    for (const number of numbers) scoring.script(number, ...replies)
    const anna = await system.register()
    await Promise.all(numbers.map((number) => anna.upload(number)))
    return numbers
  }

  it("counts what nobody has come for, and how long it has waited; the metrics say the same", async () => {
    await signals("nothing is due", ({ due, seconds }) => due === 0 && seconds === 0)
    const numbers = await upload(order("INVALID"))
    await signals("all are due", ({ due }) => due === ORDERS)
    await signals("for a while", ({ seconds }) => seconds > 1.5)
    await eventually("the metrics say the same", async () => {
      const samples = await scrape(system.operatorsUrl)
      const age = samples.get("gofermart_polls_due_age_seconds") ?? 0
      return samples.get("gofermart_polls_due") === ORDERS && age > 1.5
    })
    await system.addWorker()
    await expectAllSettledOnce(system, numbers)
    await signals("nothing is due", ({ due, seconds }) => due === 0 && seconds === 0)
  })

  it("leaves out what is put off, until its time has come and nobody is there", async () => {
    const worker = await system.addWorker()
    const numbers = await upload(order("REGISTERED"), order("REGISTERED"), order("INVALID"))
    await eventually("each was polled", async () =>
      numbers.every((number) => scoring.polls(number).length >= 1),
    )
    await worker.stop()
    const queue = await openQueue(system)
    const [first, ...others] = numbers
    for (const number of others) await (await queue.getJob(`order-${number}`))?.changeDelay(HOUR_MS)
    await (await queue.getJob(`order-${first}`))?.changeDelay(1_000)
    // As far as the payload goes, all are due; what counts is when the queue hands them out.
    await signals("only one is due", ({ due }) => due === 1)
    for (let sample = 0; sample < 2; sample++) {
      await untilSampled()
      expect(await signal()).toMatchObject({ due: 1 })
    }
    for (const number of others) await (await queue.getJob(`order-${number}`))?.changeDelay(0)
    await queue.close()
    await signals("all are due again", ({ due }) => due === ORDERS)
    await system.addWorker()
    await expectAllSettledOnce(system, numbers)
  })

  it("is 0 during a pause, and counts every unfinished order when nobody samples", async () => {
    await upload(order("INVALID"))
    const { client } = system.database
    await signals("all are due", ({ due }) => due === ORDERS)
    await client.$executeRaw`
      INSERT INTO scoring_pause (paused_until) VALUES (clock_timestamp() + interval '1 hour')`
    expect(await signal()).toEqual({ due: 0, seconds: 0 })
    await eventually("the metric is 0", async () => {
      return (await scrape(system.operatorsUrl)).get("gofermart_polls_due") === 0
    })
    await client.scoringPause.deleteMany()
    await signals("the pause is over", ({ due }) => due === ORDERS)
    await system.api.stop()
    await client.$executeRaw`
      UPDATE accrual_backlog SET due = 0, sampled_at = clock_timestamp() - interval '3 minutes'`
    expect(await signal()).toMatchObject({ due: ORDERS })
    await signals("for a while", ({ seconds }) => seconds > 1)
  })
})
