import { randomBytes } from "node:crypto"
import { type AddressInfo, createServer } from "node:net"
import { freePort } from "@gofermart/local-stack/ports.ts"
import type { Customer } from "@gofermart/local-stack/customer.ts"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { type CollectedSpan, type Collector, startCollector } from "../harness/collector.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumber, newNumbers } from "../harness/numbers.ts"
import {
  json,
  order,
  type ScriptedScoring,
  startScriptedScoring,
  status,
} from "@gofermart/scoring-simulator/scripted.ts"
import { startSystem, type System } from "../harness/system.ts"

const UPLOAD = "POST /api/user/orders"
const [INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER] = [1, 2, 3, 4, 5]

/** Each of the two encodings goes through everything once, of which one is compressed. */
const ENCODINGS = {
  postgresql: { protocol: "http/json", compression: "none", type: "application/json" },
  redis: { protocol: "http/protobuf", compression: "gzip", type: "application/x-protobuf" },
}

/** Less than an export waits for an answer by itself: a service that is held up by one is late. */
const SHUTDOWN_GRACE = "8s"

const newTrace = () => ({
  traceId: randomBytes(16).toString("hex"),
  spanId: randomBytes(8).toString("hex"),
})

/** Uploads an order as a part of a caller's trace. */
async function upload(
  system: System,
  customer: Customer,
  number: string,
  headers: Record<string, string>,
): Promise<void> {
  const response = await fetch(`${system.apiUrl}/api/user/orders`, {
    method: "POST",
    headers: {
      authorization: customer.authorization,
      "content-type": "text/plain",
      ...headers,
    },
    body: number,
  })
  expect(response.status).toBe(202)
}

const isSettled = async (customer: Customer, number: string) =>
  (await customer.orders()).some((shown) => shown.number === number && shown.status === "PROCESSED")

describeOnBackends("traces", (backend) => {
  let collector: Collector
  let scoring: ScriptedScoring
  let system: System
  let anna: Customer
  beforeAll(async () => {
    collector = await startCollector()
    scoring = await startScriptedScoring()
    system = await startSystem({
      backend,
      scoringUrl: scoring.url,
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: ENCODINGS[backend].protocol,
        OTEL_EXPORTER_OTLP_COMPRESSION: ENCODINGS[backend].compression,
      },
    })
    anna = await system.register()
  })
  afterAll(async () => {
    await system.close()
    expect(collector.contentTypes()).toEqual(new Set([ENCODINGS[backend].type]))
    await scoring.close()
    await collector.close()
  })

  /** A trace's spans, once there are as many with each name. */
  const spansOf = (traceId: string, expected: Record<string, number>) =>
    eventually(`the spans ${JSON.stringify(expected)}`, async () => {
      const spans = collector.spans().filter((span) => span.traceId === traceId)
      const isThere = Object.entries(expected).every(
        ([name, count]) => spans.filter((span) => span.name === name).length === count,
      )
      return isThere && spans
    })
  const only = (spans: CollectedSpan[], name: string) => {
    const found = spans.filter((span) => span.name === name)
    expect(found.map((span) => span.name)).toEqual([name])
    return found[0] as CollectedSpan
  }

  it("follow an upload from the caller's request to its settlement", async () => {
    const number = newNumber()
    scoring.script(number, order("PROCESSED", "5"))
    const { traceId, spanId } = newTrace()
    const requestId = `caller-${spanId}`
    await upload(system, anna, number, {
      traceparent: `00-${traceId}-${spanId}-01`,
      "x-request-id": requestId,
    })

    const spans = await spansOf(traceId, {
      [UPLOAD]: 1,
      "record order": 1,
      "enqueue order": 1,
      "process accrual": 1,
      "poll order": 1,
      "settle order": 1,
    })
    const request = only(spans, UPLOAD)
    const record = only(spans, "record order")
    const enqueue = only(spans, "enqueue order")
    const job = only(spans, "process accrual")
    const poll = only(spans, "poll order")
    const settle = only(spans, "settle order")
    expect(request).toMatchObject({
      service: "gofermart-api",
      kind: SERVER,
      parentSpanId: spanId,
      attributes: {
        "http.route": "/api/user/orders",
        "http.response.status_code": 202,
        "gofermart.request_id": requestId,
      },
    })
    expect(record).toMatchObject({
      kind: INTERNAL,
      parentSpanId: request.spanId,
      attributes: { "gofermart.order": number, "gofermart.outcome": "accepted" },
    })
    expect(enqueue).toMatchObject({
      kind: PRODUCER,
      parentSpanId: request.spanId,
      attributes: { "gofermart.order": number, "gofermart.job": `order-${number}` },
    })
    expect(job).toMatchObject({
      service: "gofermart-accrual-worker",
      kind: CONSUMER,
      parentSpanId: enqueue.spanId,
      attributes: {
        "bullmq.job.id": `order-${number}`,
        "gofermart.order": number,
        "gofermart.request_id": requestId,
        "gofermart.answer": "processed",
        "gofermart.outcome": "finish",
      },
    })
    expect(poll).toMatchObject({
      kind: CLIENT,
      parentSpanId: job.spanId,
      attributes: { "gofermart.answer": "processed" },
    })
    expect(settle).toMatchObject({
      kind: INTERNAL,
      parentSpanId: job.spanId,
      attributes: { "gofermart.order": number, "gofermart.outcome": "settled" },
    })
    expect(scoring.traceparents(number)).toEqual([`00-${traceId}-${poll.spanId}-01`])
  })

  it("keep uploads apart that are recorded and enqueued together", async () => {
    const uploads = newNumbers(30).map((number) => ({ number, ...newTrace() }))
    for (const { number } of uploads) scoring.script(number, order("PROCESSED", "1"))
    await Promise.all(
      uploads.map(({ number, traceId, spanId }) =>
        upload(system, anna, number, { traceparent: `00-${traceId}-${spanId}-01` }),
      ),
    )
    for (const { number, traceId } of uploads) {
      const spans = await spansOf(traceId, { "process accrual": 1, "settle order": 1 })
      const named = spans.map(({ attributes }) => attributes["gofermart.order"])
      expect(new Set(named.filter((name) => name !== undefined))).toEqual(new Set([number]))
      expect(scoring.traceparents(number)[0]?.split("-")[1]).toBe(traceId)
    }
  })

  it("keep every poll of an order that is put off", async () => {
    const number = newNumber()
    scoring.script(number, order("PROCESSING"), order("PROCESSED", "1"))
    const { traceId, spanId } = newTrace()
    await upload(system, anna, number, { traceparent: `00-${traceId}-${spanId}-01` })

    const spans = await spansOf(traceId, { "process accrual": 2, "poll order": 2 })
    const enqueue = only(spans, "enqueue order")
    const jobs = spans.filter(({ name }) => name === "process accrual")
    const polls = spans.filter(({ name }) => name === "poll order")
    expect(jobs.map(({ parentSpanId }) => parentSpanId)).toEqual([enqueue.spanId, enqueue.spanId])
    expect(new Set(polls.map(({ parentSpanId }) => parentSpanId))).toEqual(
      new Set(jobs.map((job) => job.spanId)),
    )
    expect(jobs.map(({ attributes }) => attributes["gofermart.outcome"])).toEqual([
      "poll_again",
      "finish",
    ])
  })

  it("begin at the upload when its caller has none, and leave out what a caller does not want", async () => {
    const [own, unwanted] = [newNumber(), newNumber()]
    for (const number of [own, unwanted]) scoring.script(number, order("PROCESSED", "1"))
    const { traceId, spanId } = newTrace()
    await upload(system, anna, unwanted, { traceparent: `00-${traceId}-${spanId}-00` })
    await upload(system, anna, own, {})

    const enqueue = await eventually("the upload's span", async () =>
      collector
        .spans()
        .find(
          ({ name, attributes }) =>
            name === "enqueue order" && attributes["gofermart.order"] === own,
        ),
    )
    const spans = await spansOf(enqueue.traceId, { [UPLOAD]: 1, "settle order": 1 })
    expect(only(spans, UPLOAD).parentSpanId).toBeUndefined()
    await eventually("it is settled", () => isSettled(anna, unwanted))
    expect(scoring.traceparents(unwanted)[0]).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`))
    expect(collector.received()).not.toContain(unwanted)
  })

  it("give an order that requeue puts back one trace for all its polls", async () => {
    const number = newNumber()
    scoring.script(number, order("PROCESSING"), order("PROCESSED", "1"))
    // As if the API had been killed before it enqueued.
    await system.database.client.$queryRaw`
      SELECT record_orders(ARRAY[id], ARRAY[${number}], 0) FROM users WHERE login = ${anna.login}`
    await eventually("it is settled", () => isSettled(anna, number))

    const traceId = scoring.traceparents(number)[0]?.split("-")[1] ?? ""
    const spans = await spansOf(traceId, { "process accrual": 2, "settle order": 2 })
    const enqueue = only(spans, "enqueue order")
    expect(enqueue).toMatchObject({ service: "gofermart-accrual-worker" })
    expect(enqueue.parentSpanId).toBeUndefined()
    expect(scoring.traceparents(number)[1]?.split("-")[1]).toBe(traceId)
  })

  it("tell nothing secret, and no housekeeping", async () => {
    const login = `secret-${randomBytes(6).toString("hex")}`
    const password = `password of ${login}`
    const credentials = { method: "POST", headers: { "content-type": "application/json" } }
    const body = JSON.stringify({ login, password })
    const { headers } = await fetch(`${system.apiUrl}/api/user/register?_=${login}-query`, {
      ...credentials,
      body,
    })
    const token = (headers.get("authorization") ?? "").replace("Bearer ", "")
    expect(token.length).toBeGreaterThan(20)
    await fetch(`${system.apiUrl}/api/user/balance?_=${token}`, {
      headers: { authorization: `Bearer ${token}`, cookie: `token=${token}` },
    })
    await fetch(`${system.apiUrl}/nowhere/${token}`)
    await eventually("the last request's span", async () =>
      collector.spans().some(({ attributes }) => attributes["http.route"] === "none"),
    )
    expect(collector.received()).toContain("/api/user/register")
    for (const secret of [login, password, token, anna.authorization.replace("Bearer ", "")]) {
      expect(collector.received()).not.toContain(secret)
    }
    const housekeeping = collector
      .spans()
      .filter(
        ({ name, kind, parentSpanId }) =>
          name.startsWith("getNextJob") || (kind === INTERNAL && parentSpanId === undefined),
      )
    expect(housekeeping).toEqual([])
  })

  // A log line does not depend on the queue.
  if (backend !== "postgresql") return

  it("leave their request's id in the worker's log lines about its order", async () => {
    const number = newNumber()
    const requestId = `caller-${randomBytes(8).toString("hex")}`
    scoring.script(
      number,
      order("PROCESSING"),
      json(`{"order":"ORDER","status":"WHO KNOWS"}`),
      status(418),
      order("PROCESSED", "1"),
    )
    await upload(system, anna, number, { "x-request-id": requestId })
    const lines = await eventually("two warnings", async () => {
      const about = (await system.logs()).split("\n").filter((line) => line.includes(number))
      return about.length === 2 && about
    })
    for (const line of lines) {
      expect(JSON.parse(line)).toMatchObject({
        service: "accrual-worker",
        msg: "an unusable answer",
        order: number,
        jobId: `order-${number}`,
        requestId,
      })
    }
  })
})

describe("traces that cannot be exported", () => {
  let scoring: ScriptedScoring
  beforeAll(async () => {
    scoring = await startScriptedScoring()
  })
  afterAll(() => scoring.close())

  /** Uploads and settles orders, and then ends both services within their time. */
  const expectUnhindered = async (
    env: Record<string, string>,
    before: (system: System, anna: Customer) => Promise<void>,
  ) => {
    const system = await startSystem({
      backend: "postgresql",
      scoringUrl: scoring.url,
      env: { ...env, SHUTDOWN_GRACE },
    })
    const anna = await system.register()
    const numbers = newNumbers(20)
    for (const number of numbers) scoring.script(number, order("PROCESSED", "1"))
    for (const number of numbers) expect(await anna.upload(number)).toBe(202)
    await eventually(
      "all are settled",
      async () => (await anna.balance()).current === numbers.length,
    )
    await before(system, anna)
    const [worker] = system.workers
    expect(await Promise.all([system.api.stop(), worker?.stop()])).toEqual([0, 0])
    expect(await system.logs()).not.toContain("did not stop in time")
    await system.close()
  }

  it("to a collector that is away hold nothing up, and it is told of once", async () => {
    const port = await freePort()
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_TIMEOUT: "100",
    }
    await expectUnhindered(env, async (system, anna) => {
      const complained = async () =>
        (await system.logs()).split("\n").filter((line) => line.includes("traces are not exported"))
      await eventually("a complaint of each service", async () => (await complained()).length >= 2)
      // Now each export can be seen, and still fails.
      let exports = 0
      const refusing = createServer((socket) => {
        exports += 1
        socket.resetAndDestroy()
      })
      await new Promise<void>((resolve) => refusing.listen(port, "127.0.0.1", resolve))
      for (let i = 0; i < 3; i++) {
        const before = exports
        await anna.balance()
        await eventually("its span is exported", async () => exports > before)
      }
      await new Promise((resolve) => refusing.close(resolve))
      const complaints = await complained()
      expect(complaints).toHaveLength(2)
      for (const line of complaints) {
        const expected = { level: 40, reason: expect.stringContaining("ECONNREFUSED") }
        expect(JSON.parse(line)).toMatchObject(expected)
      }
    })
  })

  it("to a collector that takes them and says nothing hold nothing up", async () => {
    const isExporting = Promise.withResolvers<void>()
    const silent = createServer((socket) => socket.once("data", () => isExporting.resolve()))
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve))
    const { port } = silent.address() as AddressInfo
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` }
    await expectUnhindered(env, () => isExporting.promise)
    silent.close()
  })
})

describe("without configuration", () => {
  it.each([
    { why: "no endpoint", settings: () => ({}) },
    {
      why: "OTEL_SDK_DISABLED",
      settings: (url: string) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_SDK_DISABLED: "true" }),
    },
  ])("($why) there are no traces, and no request says it is part of one", async ({ settings }) => {
    const collector = await startCollector()
    const scoring = await startScriptedScoring()
    const system = await startSystem({
      backend: "postgresql",
      scoringUrl: scoring.url,
      env: settings(collector.url),
    })
    const anna = await system.register()
    const number = newNumber()
    scoring.script(number, order("PROCESSED", "1"))
    const { traceId, spanId } = newTrace()
    await upload(system, anna, number, { traceparent: `00-${traceId}-${spanId}-01` })
    await eventually("it is settled", () => isSettled(anna, number))
    expect(scoring.traceparents(number)).toEqual([undefined])
    await system.close()
    expect(collector.received()).toBe("")
    await scoring.close()
    await collector.close()
  })
})
