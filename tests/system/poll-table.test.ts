import { gzipSync } from "node:zlib"
import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import { addPolls, findPoll } from "@gofermart/shared/queue/poll-job.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import type { Customer } from "@gofermart/local-stack/customer.ts"
import { afterAll, beforeAll, expect, it } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { processed, recordOne, settleOne } from "../harness/ledger.ts"
import { newNumber } from "../harness/numbers.ts"
import { expectExplained } from "../harness/invariants.ts"
import {
  json,
  order,
  type Reply,
  type ScriptedScoring,
  startScriptedScoring,
  status,
  unknown,
} from "@gofermart/scoring-simulator/scripted.ts"
import { WITHOUT_REQUEUE } from "../harness/settings.ts"
import { startSystem, type System } from "../harness/system.ts"

const GRACE_MS = 1_500
const SILENT = createLogger("tests", "silent")

describeOnBackends("the answers of the scoring system", (backend) => {
  let scoring: ScriptedScoring
  let system: System
  let anna: Customer
  beforeAll(async () => {
    scoring = await startScriptedScoring()
    system = await startSystem({
      backend,
      scoringUrl: scoring.url,
      env: {
        ...WITHOUT_REQUEUE,
        SCORING_UNREGISTERED_GRACE: `${GRACE_MS}ms`,
        SCORING_TIMEOUT: "500ms",
      },
    })
    anna = await system.register()
  })
  afterAll(async () => {
    await expectExplained(system)
    await system.close()
    await scoring.close()
  })

  const viewOf = async (number: string) =>
    (await anna.orders()).find((shown) => shown.number === number)
  const settled = (number: string) =>
    eventually(`order ${number} is settled`, async () => {
      const view = await viewOf(number)
      return view?.status === "PROCESSING" ? undefined : view
    })
  const polledAtLeast = (number: string, times: number) =>
    eventually(`${times} polls about ${number}`, async () => scoring.polls(number).length >= times)
  const uploadScripted = async (...replies: Reply[]) => {
    const number = newNumber()
    scoring.script(number, ...replies)
    expect(await anna.upload(number)).toBe(202)
    return number
  }

  it("PROCESSED settles with the accrual, and the order is not polled again", async () => {
    const number = await uploadScripted(order("PROCESSED", "12.34"))
    expect(await settled(number)).toMatchObject({ status: "PROCESSED", accrual: 12.34 })
    expect(scoring.polls(number)).toHaveLength(1)
  })

  it("REGISTERED and PROCESSING are polled again, later each time", async () => {
    const number = await uploadScripted(
      order("REGISTERED"),
      order("PROCESSING"),
      order("PROCESSED", "1"),
    )
    await settled(number)
    const [first = 0, second = 0, third = 0] = scoring.polls(number)
    expect(second - first).toBeGreaterThanOrEqual(800)
    expect(third - second).toBeGreaterThanOrEqual(1_600)
  })

  it("204 for the whole grace time shows INVALID, and a later PROCESSED is still credited", async () => {
    const number = await uploadScripted(unknown)
    expect((await settled(number)).status).toBe("INVALID")
    const [first = 0, ...later] = scoring.polls(number)
    expect((later.at(-1) ?? 0) - first).toBeGreaterThanOrEqual(GRACE_MS)
    scoring.script(number, order("PROCESSED", "3"))
    const queue = await openAccrualQueue(system.queueUrl, SILENT)
    await addPolls(queue, [number])
    await queue.close()
    await eventually("the late verdict", async () => (await viewOf(number))?.accrual === 3)
  })

  it("an order under ten jobs at once is credited once", async () => {
    const number = await uploadScripted(order("PROCESSING"))
    await polledAtLeast(number, 1)
    // Its own job may bring the verdict before the ten are there.
    const { current: before } = await anna.balance()
    scoring.script(number, order("PROCESSED", "7"))
    const queue = await openAccrualQueue(system.queueUrl, SILENT)
    const data = { number, polls: 0 }
    const jobs = Array.from({ length: 10 }, (_, i) => {
      return { name: "poll", data, opts: { jobId: `copy-${number}-${i}` } }
    })
    await queue.addBulk(jobs)
    await queue.close()
    await settled(number)
    await polledAtLeast(number, 11)
    await expectExplained(system)
    expect((await anna.balance()).current).toBeCloseTo(before + 7, 5)
  })

  it("a job that is none of ours is dropped, and its order is settled all the same", async () => {
    const number = newNumber()
    const queue = await openAccrualQueue(system.queueUrl, SILENT)
    await queue.add("poll", { orderId: "1" } as never, { jobId: `order-${number}` })
    // Added while it is there, the order's own job would be none.
    await eventually("it is dropped", async () => (await findPoll(queue, number)) === undefined)
    await queue.close()
    scoring.script(number, order("PROCESSED", "9"))
    expect(await anna.upload(number)).toBe(202)
    expect((await settled(number)).accrual).toBe(9)
  })

  it("a job about an order that nobody uploaded here credits nobody", async () => {
    const number = newNumber()
    scoring.script(number, order("PROCESSED", "1000"))
    const before = await system.database.client.userBalance.aggregate({ _sum: { accrual: true } })
    const queue = await openAccrualQueue(system.queueUrl, SILENT)
    await addPolls(queue, [number])
    await queue.close()
    await polledAtLeast(number, 1)
    await expectExplained(system)
    const after = await system.database.client.userBalance.aggregate({ _sum: { accrual: true } })
    expect(after).toEqual(before)
  })

  // What is made of an answer does not depend on the queue.
  if (backend !== "postgresql") return

  it("PROCESSED without an accrual settles with none", async () => {
    const number = await uploadScripted(order("PROCESSED"))
    const view = await settled(number)
    expect(view?.status).toBe("PROCESSED")
    expect(view).not.toHaveProperty("accrual")
  })

  it("INVALID settles without points", async () => {
    const number = await uploadScripted(order("INVALID"))
    expect((await settled(number)).status).toBe("INVALID")
  })

  it("204 within the grace time, then PROCESSED, is credited", async () => {
    const number = await uploadScripted(unknown, order("PROCESSED", "2"))
    expect(await settled(number)).toMatchObject({ status: "PROCESSED", accrual: 2 })
  })

  it.concurrent.each([
    ["500", status(500)],
    ["503", status(503)],
    ["a reset", (_number, response) => void response.socket?.destroy()],
    ["a silence", () => {}],
    ["HTML", json("<html></html>", { "content-type": "text/html" })],
    ["cut JSON", json('{"order":"ORDER","status":"PROC')],
    ["another order's number", json('{"order":"18","status":"PROCESSED","accrual":5}')],
    ["an unknown status", order("DONE", "5")],
    ["a negative accrual", order("PROCESSED", "-5")],
    ["an accrual in quotes", order("PROCESSED", '"10"')],
    ["an accrual past every number", order("PROCESSED", "1e309")],
    ["an absurd accrual", order("PROCESSED", "10000000000")],
    ["null as accrual", order("PROCESSED", "null")],
    ["a body over the limit", json(" ".repeat(1_000_000))],
    [
      "a compressed body",
      (number, response) => {
        const body = gzipSync(`{"order":"${number}","status":"PROCESSED","accrual":5}`)
        const headers = { "content-type": "application/json", "content-encoding": "gzip" }
        response.writeHead(200, headers).end(body)
      },
    ],
    ["a redirect", status(302, { location: "http://127.0.0.1:1/" })],
    ["404", status(404)],
  ] as [string, Reply][])("%s credits nothing and is polled again", async (_what, reply) => {
    const number = await uploadScripted(reply, order("PROCESSED", "4"))
    await polledAtLeast(number, 1)
    expect(await settled(number)).toMatchObject({ status: "PROCESSED", accrual: 4 })
    expect(scoring.polls(number)).toHaveLength(2)
  })

  it.each([
    ["0.30000000000000004", 0.3],
    ["72.995", 73],
    ["729.975", 729.98],
    ["1E2", 100],
  ])("the accrual %s is credited as %d", async (source, accrual) => {
    const number = await uploadScripted(order("PROCESSED", source))
    expect((await settled(number)).accrual).toBe(accrual)
  })

  it("an accrual that no balance holds is an operator's, and nothing is credited", async () => {
    const rich = await system.register()
    const { client } = system.database
    const user = await client.user.findUniqueOrThrow({ where: { login: rich.login } })
    const orderId = await recordOne(client, user.id)
    await settleOne(client, orderId, processed(Number.MAX_SAFE_INTEGER))
    const number = newNumber()
    scoring.script(number, order("PROCESSED", "1"))
    expect(await rich.upload(number)).toBe(202)
    const queue = await openAccrualQueue(system.queueUrl, SILENT)
    const reason = await eventually("the job has failed", async () => {
      const job = await findPoll(queue, number)
      return (await job?.isFailed()) === true && job?.data.lastAnswer
    })
    await queue.close()
    expect(reason).toBe("The ledger refuses this answer's amount.")
    expect(await rich.orders()).toMatchObject([{ number, status: "PROCESSING" }, {}])
  })
})
