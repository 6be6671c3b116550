import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { afterAll, beforeAll, expect, it } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { startBreakpointProxy } from "../harness/breakpoint-proxy.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumber, newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import {
  json,
  order,
  type Reply,
  type ScriptedScoring,
  startScriptedScoring,
  status,
  unknown,
} from "@gofermart/scoring-simulator/scripted.ts"
import { startSystem, type System } from "../harness/system.ts"
import { operate, runProgram } from "./run.ts"

/** Longer than an order is polled in vain before its job fails. */
const DAY_MS = 86_400_000
/** Nothing is put back by the workers meanwhile: that is the operator's doing here. */
const NO_REQUEUE = { REQUEUE_LEASE_MIN: "10m", REQUEUE_LEASE_MAX: "10m" }

describeOnBackends("an order, to its operator", (backend) => {
  let scoring: ScriptedScoring
  let system: System
  let queue: AccrualQueue
  beforeAll(async () => {
    scoring = await startScriptedScoring()
    system = await startSystem({
      backend,
      scoringUrl: scoring.url,
      env: { ...NO_REQUEUE, SCORING_UNREGISTERED_GRACE: "500ms" },
    })
    queue = await openAccrualQueue(system.queueUrl, createLogger("tests", "silent"))
  })
  afterAll(async () => {
    await queue.close()
    await system.close()
    await scoring.close()
  })

  const uploaded = async (...replies: Reply[]) => {
    const anna = await system.register()
    const number = newNumber()
    scoring.script(number, ...replies)
    expect(await anna.upload(number)).toBe(202)
    return { anna, number }
  }
  const statusOf = async (number: string) => {
    const accrual = await system.database.client.accrual.findFirst({
      where: { order: { number } },
    })
    return accrual?.status
  }
  const delayedJob = async (number: string) => {
    const job = await queue.getJob(`order-${number}`)
    return job !== undefined && (await job.isDelayed()) ? job : undefined
  }
  const becomes = (number: string, awaited: string) =>
    eventually(`${number} is ${awaited}`, async () => (await statusOf(number)) === awaited)

  it("that is settled: whose it is, what it earned, and that there is nothing to poll", async () => {
    const { anna, number } = await uploaded(order("PROCESSED", "729.98"))
    await becomes(number, "PROCESSED")
    await anna.withdraw(number, 100)
    const shown = await operate(system, "order", number)
    expect(shown.code).toBe(0)
    expect(shown.said).toContain(`user         ${anna.login}`)
    expect(shown.said).toMatch(/^status       PROCESSED, since 20/m)
    expect(shown.said).toContain("points       729.98")
    expect(shown.said).toContain("settled      as version 1 of the balance, 729.98 after it")
    expect(shown.said).toMatch(/^withdrawal   100\.00 at 20.*, version 2, 629\.98 after it$/m)
    expect(shown.said).toContain("job          none")
    const again = await operate(system, "requeue", number)
    expect(again).toEqual({
      code: 1,
      said: `Order ${number} is PROCESSED, which is final: there is nothing to poll.\n`,
    })
  })

  it("that waits: its job, the polls so far and the last answer; requeue makes it due", async () => {
    const { number } = await uploaded(status(503), status(503), status(503), order("INVALID"))
    await eventually("the third poll", async () => scoring.polls(number).length === 3)
    const job = await eventually("it is put off", () => delayedJob(number))
    // Longer than any command takes.
    await job.changeDelay(DAY_MS)
    const said = await eventually("the job is put off", async () => {
      const shown = await operate(system, "order", number)
      const line = /^job          order-\d+: delayed, due 20.*, 3 polls without a final answer$/m
      return line.test(shown.said) && shown.said
    })
    expect(said).toMatch(/^last answer  .*503/m)
    expect(said).toMatch(/^requeue      not before 20/m)
    expect((await operate(system, "requeue", number)).said).toBe(
      `The job of order ${number} was put off; it is due now.\n`,
    )
    await becomes(number, "INVALID")
  })

  it("that waits behind those of customers with fewer: requeue puts it before them", async () => {
    await queue.pause()
    const { anna, number: first } = await uploaded(order("INVALID"))
    const second = newNumber()
    scoring.script(second, order("INVALID"))
    expect(await anna.upload(second)).toBe(202)
    const priority = async () => (await queue.getJob(`order-${second}`))?.priority
    await eventually("it has its place", async () => (await priority()) === 1)
    expect((await operate(system, "requeue", second)).said).toBe(
      `The job of order ${second} waited its turn; it goes before those of others now.\n`,
    )
    expect(await priority()).toBe(0)
    await queue.resume()
    await expectAllSettledOnce(system, [first, second])
  })

  it("whose job has failed: the reason in words; requeue tries it again", async () => {
    const { number } = await uploaded(json("<maintenance>"))
    const job = await eventually("it is put off", () => delayedJob(number))
    await job.updateData({ number, polls: 5, brokenSince: Date.now() - DAY_MS })
    await eventually("the job fails", async () => (await queue.getFailedCount()) === 1)
    const shown = await operate(system, "order", number)
    expect(shown.said).toMatch(/^failed       No answer could be used for 24 h\. The last: /m)
    scoring.script(number, order("PROCESSED", "1"))
    expect((await operate(system, "requeue", number)).said).toBe(
      `The job of order ${number} had failed; it is tried again.\n`,
    )
    await expectAllSettledOnce(system, [number])
  })

  it("that is UNREGISTERED: requeue opens it again", async () => {
    const { number } = await uploaded(unknown)
    await becomes(number, "UNREGISTERED")
    scoring.script(number, order("PROCESSED", "5"))
    expect((await operate(system, "requeue", number)).said).toBe(
      `Order ${number} was UNREGISTERED; it is open again, and will be polled.\n`,
    )
    await becomes(number, "PROCESSED")
  })

  it("all of them: requeue --all gives every unfinished order its job back", async () => {
    const numbers = newNumbers(1_200)
    for (const number of numbers) scoring.script(number, status(503))
    const anna = await system.register()
    await Promise.all(numbers.map((number) => anna.upload(number)))
    await queue.obliterate({ force: true })
    // By hand; no lease is so old that it is passed by.
    await system.database.client.$executeRaw`
      UPDATE accruals SET requeue_at = '1969-07-20 20:17:40Z'
       WHERE status = 'PROCESSING' AND order_id % 3 = 0`
    const proxy = await startBreakpointProxy(system.database.url)
    const atSecondPage = proxy.holdAt("(requeue_at, order_id) >")
    const env = { DATABASE_URL: proxy.url, QUEUE_URL: system.queueUrl }
    const ended = runProgram(env, ["requeue", "--all"])
    await atSecondPage
    // As a worker's requeue does that takes them meanwhile.
    await system.database.client.$executeRaw`
      UPDATE accruals SET requeue_at = clock_timestamp() + interval '1 hour'
       WHERE status = 'PROCESSING'`
    proxy.release()
    const { code, said } = await ended
    await proxy.close()
    expect(code).toBe(0)
    expect(said).toContain("1200 unfinished orders have a job; 0 failed jobs are tried again.")
    for (const number of numbers) {
      scoring.script(number, order("PROCESSED", "1"))
      expect(await queue.getJob(`order-${number}`)).toBeDefined()
    }
    await expectAllSettledOnce(system, numbers)
  })

  // No job is looked for.
  if (backend !== "postgresql") return

  it("that nobody knows, and one that only a withdrawal named: nothing to show, or to ask", async () => {
    const none = newNumber()
    const said = `There is no order ${none}.\n`
    expect(await operate(system, "order", none)).toEqual({ code: 1, said })
    expect(await operate(system, "requeue", none)).toEqual({ code: 1, said })
    const { anna, number } = await uploaded(order("PROCESSED", "10"))
    await becomes(number, "PROCESSED")
    await anna.withdraw(none, 1)
    expect((await operate(system, "order", none)).said).toContain(
      "uploaded     by nobody: a withdrawal named it",
    )
    expect(await operate(system, "requeue", none)).toEqual({
      code: 1,
      said: `Nobody has uploaded order ${none}: a withdrawal named it.\n`,
    })
  })
})
