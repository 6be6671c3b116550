import { Readable } from "node:stream"
import { gzipSync } from "node:zlib"
import type { Customer } from "@gofermart/local-stack/customer.ts"
import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { afterAll, beforeAll, expect, it } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import { peakMemoryBytes } from "../harness/peak-memory.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import {
  json,
  order,
  type Reply,
  type ScriptedScoring,
  startScriptedScoring,
  unknown,
} from "@gofermart/scoring-simulator/scripted.ts"
import { startSystem, type System } from "../harness/system.ts"

/** Requeue's longest lease is 5 s, the backoff's second delay 2.4 s; and 30 s. */
const SETTLED_WITHIN_MS = 35_000
/** The backoff's first delay less its jitter. */
const RESCHEDULED_MIN_MS = 800
const HUGE_BYTES = 100_000_000
const BOMB_BYTES = 10_000_000
/** What the kernel's buffers on both sides may take of a body that nobody reads, and more. */
const TAKEN_BYTES_MAX = 32_000_000
/** A worker that held a body of 100 MB, or what a bomb becomes, would grow by more. */
const GROWTH_BYTES_MAX = 80_000_000

describeOnBackends("a scoring system whose answers are wrong", (backend) => {
  let scoring: ScriptedScoring
  let system: System
  let queue: AccrualQueue
  beforeAll(async () => {
    scoring = await startScriptedScoring()
    // No answer that a test holds back runs into it.
    const env = { SCORING_TIMEOUT: "30s" }
    system = await startSystem({ backend, scoringUrl: scoring.url, env })
    queue = await openAccrualQueue(system.queueUrl, createLogger("tests", "silent"))
  })
  afterAll(async () => {
    await queue.close()
    await system.close()
    await scoring.close()
  })

  const upload = async (customer: Customer, ...replies: Reply[]) => {
    const number = newNumber()
    scoring.script(number, ...replies)
    expect(await customer.upload(number)).toBe(202)
    return number
  }
  const polled = (number: string, times: number) =>
    eventually(`${times} polls about ${number}`, async () => scoring.polls(number).length >= times)
  /** The order is put off, which its job says, and nothing is credited. */
  const expectPutOff = async (number: string, lastAnswer: RegExp) => {
    const { data } = await eventually(`order ${number} is put off`, async () => {
      const job = await queue.getJob(`order-${number}`)
      return job?.data.lastAnswer === undefined ? undefined : job
    })
    expect(data).toEqual({
      number,
      requestId: expect.any(String),
      polls: expect.toSatisfy((polls) => polls > 0),
      dueAt: expect.any(Number),
      brokenSince: expect.any(Number),
      lastAnswer: expect.stringMatching(lastAnswer),
    })
    expect(await credits([number])).toEqual({ [number]: "PROCESSING -" })
  }
  /** From now on the order's answer is right. */
  const heal = (number: string) => scoring.script(number, order("PROCESSED", "4"))
  const expectRescheduled = (number: string) => {
    const [first = 0, second = 0] = scoring.polls(number)
    expect(second - first).toBeGreaterThanOrEqual(RESCHEDULED_MIN_MS)
  }
  /** By order number, exactly as the database has it. */
  const credits = async (numbers: string[]) => {
    const orders = await system.database.client.order.findMany({
      where: { number: { in: numbers } },
      select: { number: true, accrual: { select: { status: true, value: true } } },
    })
    return Object.fromEntries(
      orders.map(({ number, accrual }) => [
        number,
        `${accrual?.status} ${accrual?.value?.toFixed(2) ?? "-"}`,
      ]),
    )
  }
  const balanceOf = async ({ login }: Customer) => {
    const { balance } = await system.database.client.user.findUniqueOrThrow({
      where: { login },
      select: { balance: true },
    })
    return balance?.accrual.toFixed(2)
  }

  it("32: HTML, cut JSON, 100 MB, a gzip bomb, a wrong content type: cut off, no credit", async () => {
    const whole = '{"order":"ORDER","status":"PROCESSED","accrual":5'
    let sentBytes = 0
    const huge: Reply = (number, response) => {
      response.writeHead(200, { "content-type": "application/json" })
      const chunk = Buffer.alloc(64 * 1024, " ")
      const body = function* () {
        yield whole.replace("ORDER", number)
        for (sentBytes = 0; sentBytes < HUGE_BYTES; sentBytes += chunk.length) yield chunk
        yield "}"
      }
      Readable.from(body()).pipe(response)
    }
    const bomb: Reply = (number, response) => {
      const text = `${whole.replace("ORDER", number)}${" ".repeat(BOMB_BYTES)}}`
      const headers = { "content-type": "application/json", "content-encoding": "gzip" }
      response.writeHead(200, headers).end(gzipSync(text))
    }
    const wrong: [Reply, RegExp][] = [
      [json("<html>PROCESSED</html>", { "content-type": "text/html" }), /not declared as JSON/],
      [json("<html>PROCESSED</html>"), /not a JSON object/],
      [json(whole), /not a JSON object/],
      [json(`${whole}}`, { "content-type": "text/plain" }), /not declared as JSON/],
      [json(`${whole}}`, { "content-type": "application/octet-stream" }), /not declared as JSON/],
      [huge, /over 16384 bytes/],
      [bomb, /compressed/],
    ]
    const worker = system.workers[0]?.pid ?? 0
    const anna = await system.register()
    const numbers: string[] = []
    // One after another: what each costs the worker is to be seen.
    for (const [reply, lastAnswer] of wrong) {
      const before = await peakMemoryBytes(worker)
      const number = await upload(anna, reply)
      await expectPutOff(number, lastAnswer)
      heal(number)
      expect((await peakMemoryBytes(worker)) - before).toBeLessThan(GROWTH_BYTES_MAX)
      numbers.push(number)
    }
    expect(sentBytes).toBeGreaterThan(0)
    expect(sentBytes).toBeLessThan(TAKEN_BYTES_MAX)
    await expectAllSettledOnce(system, numbers, SETTLED_WITHIN_MS)
    for (const number of numbers) expectRescheduled(number)
    const four = numbers.map((number) => [number, "PROCESSED 4.00"])
    expect(await credits(numbers)).toEqual(Object.fromEntries(four))
    expect(await balanceOf(anna)).toBe("28.00")
  })

  it("33: an accrual that is no amount is refused, any other is rounded half up once", async () => {
    const refused = ["-5", "NaN", "1e309", '"10"', "null", "10000000000"]
    const rounded = { "0.30000000000000004": "0.30", "1e-9": "0.00", "72.995": "73.00" }
    const anna = await system.register()
    const expected: Record<string, string> = {}
    const putOff: string[] = []
    for (const accrual of refused) {
      const number = await upload(anna, order("PROCESSED", accrual))
      expected[number] = "PROCESSED 4.00"
      putOff.push(number)
    }
    for (const [accrual, value] of Object.entries(rounded)) {
      expected[await upload(anna, order("PROCESSED", accrual))] = `PROCESSED ${value}`
    }
    for (const number of putOff) {
      await expectPutOff(number, /not a number|out of range|not a JSON object/)
      heal(number)
    }
    const numbers = Object.keys(expected)
    await expectAllSettledOnce(system, numbers, SETTLED_WITHIN_MS)
    for (const number of putOff) expectRescheduled(number)
    expect(await credits(numbers)).toEqual(expected)
    expect(await balanceOf(anna)).toBe("97.30")
  })

  it("34: another order's number echoed: credits neither, is counted and logged", async () => {
    const [anna, boris] = await Promise.all([system.register(), system.register()])
    const other = await upload(boris, order("PROCESSING"))
    const echo = json(`{"order":"${other}","status":"PROCESSED","accrual":500}`)
    const number = await upload(anna, echo)
    await expectPutOff(number, /^it answered about another order$/)
    expect(await credits([other])).toEqual({ [other]: "PROCESSING -" })
    const lines = (await system.logs()).split("\n").filter((line) => line.includes(`"${number}"`))
    expect(lines.map((line) => JSON.parse(line) as object)).toContainEqual(
      expect.objectContaining({
        level: 40,
        order: number,
        lastAnswer: "it answered about another order",
        msg: "an unusable answer",
      }),
    )
    heal(number)
    scoring.script(other, order("PROCESSED", "6"))
    await expectAllSettledOnce(system, [number, other], SETTLED_WITHIN_MS)
    expectRescheduled(number)
    expect([await balanceOf(anna), await balanceOf(boris)]).toEqual(["4.00", "6.00"])
  })

  it("35: PROCESSED, later PROCESSING or another value: the first answer stays", async () => {
    const released = Promise.withResolvers<void>()
    const first = Promise.withResolvers<void>()
    const after =
      (held: Promise<void>, reply: Reply): Reply =>
      (number, response) =>
        void held.then(() => reply(number, response))
    const later = [
      order("PROCESSING"),
      order("PROCESSED", "6"),
      order("PROCESSED"),
      order("INVALID"),
      unknown,
    ]
    const anna = await system.register()
    const number = await upload(
      anna,
      after(first.promise, order("PROCESSED", "5")),
      ...later.map((reply) => after(released.promise, reply)),
    )
    await polled(number, 1)
    const copies = later.map((_, i) => ({
      name: "poll",
      data: { number, polls: 0 },
      opts: { jobId: `copy-${number}-${i}` },
    }))
    await queue.addBulk(copies)
    await polled(number, 1 + later.length)
    // Every other answer is on its way when the first one is committed.
    expect(await credits([number])).toEqual({ [number]: "PROCESSING -" })
    first.resolve()
    await expectAllSettledOnce(system, [number], SETTLED_WITHIN_MS)
    released.resolve()
    await eventually("no job is left", async () => {
      const jobs = await Promise.all(copies.map(({ opts }) => queue.getJob(opts.jobId)))
      return jobs.every((job) => job === undefined)
    })
    expect(await credits([number])).toEqual({ [number]: "PROCESSED 5.00" })
    expect(await balanceOf(anna)).toBe("5.00")
    const changed = (await system.logs())
      .split("\n")
      .filter((line) => line.includes(`"${number}"`) && line.includes("changed its verdict"))
    expect(changed).toHaveLength(3)
    const recorded = await system.database.client.contradiction.findFirst({
      where: { order: { number } },
    })
    expect(recorded?.times).toBe(3)
    await expectAllSettledOnce(system, [number], SETTLED_WITHIN_MS)
  })
})
