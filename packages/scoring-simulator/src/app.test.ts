import { type IncomingMessage, request } from "node:http"
import type { AddressInfo } from "node:net"
import { json } from "node:stream/consumers"
import { withCheckDigit } from "@gofermart/shared/domain/order-number.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { afterEach, describe, expect, test, vi } from "vitest"
import { buildSimulator } from "./app.ts"
import { defaultBehaviour, type BehaviourUpdate } from "./behaviour.ts"
import type { Call } from "./call-record.ts"

const NUMBER = "2377225624"
const MEGABYTE = 1_048_576
/** Longer than any test may take. */
const MINUTE_MS = 60_000

const running: { close: () => Promise<unknown> }[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map((app) => app.close()))
  vi.useRealTimers()
})

async function startSimulator(behaviour: BehaviourUpdate = {}) {
  const app = buildSimulator({ behaviour, logger: createLogger("scoring-simulator", "silent") })
  running.push(app)
  const url = await app.listen({ port: 0, host: "127.0.0.1" })

  const send = async (method: string, path: string, body?: unknown) => {
    const text = typeof body === "string" ? body : JSON.stringify(body)
    return await fetch(`${url}${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { body: text, headers: { "content-type": "application/json" } }),
    })
  }
  return {
    app,
    send,
    poll: (number: string) => send("GET", `/api/orders/${number}`),
    answer: async (number: string) => await (await send("GET", `/api/orders/${number}`)).json(),
    addGoods: (match: string, reward: number, type = "%") =>
      send("POST", "/api/goods", { match, reward, reward_type: type }),
    addOrder: (order: string, ...goods: { description: string; price: number }[]) =>
      send("POST", "/api/orders", { order, goods }),
    behave: (update: unknown) => send("PUT", "/api/behaviour", update),
    calls: async () => (await (await send("GET", "/api/calls")).json()) as Call[],
  }
}

const kettle = { description: "Bork kettle", price: 100 }

test.each([
  ["application/json", "text/plain"],
  ["application/json", "application/json"],
])("a Content-Type given twice is refused with 400: %s, %s", async (first, second) => {
  const { app } = await startSimulator()
  const headers = ["Host", "simulator", "Content-Type", first, "Content-Type", second]
  const { port } = app.server.address() as AddressInfo
  const options = { port, host: "127.0.0.1", method: "POST", path: "/api/goods", headers }
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(options, resolve).on("error", reject).end("{}")
  })
  expect(response.statusCode).toBe(400)
  expect(await json(response)).toEqual({ error: expect.stringContaining(" content-type ") })
})

describe("registration", () => {
  test("the published contract's example earns 729.98", async () => {
    const { addGoods, addOrder, answer } = await startSimulator()
    expect((await addGoods("Bork", 5)).status).toBe(200)
    const accepted = await addOrder(
      NUMBER,
      { description: "LG monitor", price: 47_399.99 },
      { description: "Coffee maker BORK", price: 14_599.5 },
    )
    expect(accepted.status).toBe(202)
    expect(await answer(NUMBER)).toEqual({ order: NUMBER, status: "PROCESSED", accrual: 729.98 })
  })

  test("an order that earns nothing is PROCESSED without an accrual", async () => {
    const { addOrder, answer } = await startSimulator()
    await addOrder(NUMBER, kettle)
    expect(await answer(NUMBER)).toEqual({ order: NUMBER, status: "PROCESSED" })
  })

  test("an order without goods, or registered as such, is INVALID", async () => {
    const { addGoods, addOrder, answer, send } = await startSimulator()
    await addGoods("Bork", 5)
    await addOrder(NUMBER)
    expect(await answer(NUMBER)).toEqual({ order: NUMBER, status: "INVALID" })
    const other = withCheckDigit("1")
    const body = { order: other, goods: [kettle], verdict: "INVALID" }
    expect((await send("POST", "/api/orders", body)).status).toBe(202)
    expect(await answer(other)).toEqual({ order: other, status: "INVALID" })
  })

  test("what is registered already is refused with 409 and stays", async () => {
    const { addGoods, addOrder, answer } = await startSimulator()
    await addGoods("Bork", 5)
    expect((await addGoods("bork", 10)).status).toBe(409)
    await addOrder(NUMBER, kettle)
    expect((await addOrder(NUMBER)).status).toBe(409)
    expect(await answer(NUMBER)).toEqual({ order: NUMBER, status: "PROCESSED", accrual: 5 })
  })

  test.each([
    ["goods: empty match", "/api/goods", { match: "", reward: 1, reward_type: "pt" }],
    ["goods: negative reward", "/api/goods", { match: "a", reward: -1, reward_type: "pt" }],
    ["goods: reward as text", "/api/goods", { match: "a", reward: "1", reward_type: "pt" }],
    ["goods: infinite reward", "/api/goods", '{"match":"a","reward":1e309,"reward_type":"pt"}'],
    ["goods: other reward type", "/api/goods", { match: "a", reward: 1, reward_type: "x" }],
    ["goods: broken JSON", "/api/goods", "{"],
    ["order: no goods field", "/api/orders", { order: NUMBER }],
    ["order: a number", "/api/orders", { order: 2377225624, goods: [] }],
    ["order: fails Luhn", "/api/orders", { order: "2377225625", goods: [] }],
    ["order: negative price", "/api/orders", { order: NUMBER, goods: [{ ...kettle, price: -1 }] }],
    ["order: price as text", "/api/orders", { order: NUMBER, goods: [{ ...kettle, price: "1" }] }],
    ["order: other verdict", "/api/orders", { order: NUMBER, goods: [], verdict: "PROCESSED" }],
    [
      "order: reward too large",
      "/api/orders",
      { order: NUMBER, goods: [{ ...kettle, price: 1e30 }] },
    ],
    [
      "order: too many goods",
      "/api/orders",
      { order: NUMBER, goods: Array.from({ length: 1_001 }, () => kettle) },
    ],
  ])("malformed is refused with 400 and a sentence: %s", async (_, path, body) => {
    const { addGoods, poll, send } = await startSimulator()
    await addGoods("kettle", 100)
    const response = await send("POST", path, body)
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual({ error: expect.stringMatching(/^[A-Z].*\.$/) })
    expect((await poll(NUMBER)).status).toBe(204)
  })

  test("a body larger than 1 MiB is refused with 413", async () => {
    const { send } = await startSimulator()
    const response = await send("POST", "/api/goods", { match: "a".repeat(MEGABYTE) })
    expect(response.status).toBe(413)
  })
})

describe("polls of an order", () => {
  test("an order nobody registered, and what is no order number, answer 204", async () => {
    const { poll } = await startSimulator()
    for (const number of [NUMBER, "2377225625", "letters", "%00"]) {
      const response = await poll(number)
      expect(response.status).toBe(204)
      expect(await response.text()).toBe("")
    }
  })

  test("pendingAnswers come before the verdict: REGISTERED, then PROCESSING", async () => {
    const { addOrder, answer, behave } = await startSimulator({ pendingAnswers: 3 })
    await addOrder(NUMBER, kettle)
    const statuses = []
    for (let i = 0; i < 5; i++) statuses.push(((await answer(NUMBER)) as Call).status)
    expect(statuses).toEqual(["REGISTERED", "PROCESSING", "PROCESSING", "PROCESSED", "PROCESSED"])
    await behave({ pendingAnswers: 100 })
    expect(await answer(NUMBER)).toMatchObject({ status: "PROCESSED" })
  })

  test("above the limit the answer is the contract's 429 until the window ends", async () => {
    vi.useFakeTimers({ toFake: ["performance"] })
    const { addOrder, poll } = await startSimulator({ requestsPerMinute: 2, windowMs: 300 })
    await addOrder(NUMBER, kettle)
    expect((await poll(NUMBER)).status).toBe(200)
    expect((await poll("unknown")).status).toBe(204)
    const refused = await poll(NUMBER)
    expect(refused.status).toBe(429)
    expect(refused.headers.get("content-type")).toMatch(/^text\/plain/)
    expect(refused.headers.get("retry-after")).toBe("1")
    expect(await refused.text()).toBe("No more than 400 requests per minute allowed")
    vi.advanceTimersByTime(299)
    expect((await poll(NUMBER)).status).toBe(429)
    vi.advanceTimersByTime(1)
    expect((await poll(NUMBER)).status).toBe(200)
  })

  test("Retry-After tells the rest of the window; a new limit begins a new one", async () => {
    vi.useFakeTimers({ toFake: ["performance"] })
    const { poll, behave } = await startSimulator({ requestsPerMinute: 1 })
    await poll(NUMBER)
    const refused = await poll(NUMBER)
    expect(refused.headers.get("retry-after")).toBe("60")
    vi.advanceTimersByTime(20_500)
    expect((await poll(NUMBER)).headers.get("retry-after")).toBe("40")
    await behave({ delayMs: 1 })
    expect((await poll(NUMBER)).status).toBe(429)
    await behave({ requestsPerMinute: 1 })
    expect((await poll(NUMBER)).status).toBe(204)
  })

  test("unavailable and errorRate answer 500, as often as they are told to", async () => {
    const { poll, behave } = await startSimulator({ unavailable: true })
    const failures = async (polls: number) => {
      const answers = await Promise.all(Array.from({ length: polls }, () => poll(NUMBER)))
      return answers.filter(({ status }) => status === 500).length
    }
    expect(await failures(20)).toBe(20)
    await behave({ unavailable: false })
    expect(await failures(20)).toBe(0)
    await behave({ errorRate: 1 })
    expect(await failures(20)).toBe(20)
    await behave({ errorRate: 0.5 })
    const some = await failures(400)
    expect(some).toBeGreaterThan(100)
    expect(some).toBeLessThan(300)
  })

  test("with autoRegister every order number is known, always with the same accrual", async () => {
    const { addOrder, answer, poll, behave } = await startSimulator({ autoRegister: true })
    const processed = { order: NUMBER, status: "PROCESSED", accrual: 7.24 }
    expect(await answer(NUMBER)).toEqual(processed)
    expect(await answer(NUMBER)).toEqual(processed)
    expect((await poll("2377225625")).status).toBe(204)
    expect((await addOrder(NUMBER, kettle)).status).toBe(409)
    await behave({ autoRegister: false })
    expect(await answer(NUMBER)).toEqual(processed)
    expect((await poll(withCheckDigit("1"))).status).toBe(204)
  })

  test("delayMs holds every answer back, but not the end of the simulator", async () => {
    const { app, poll, behave, calls } = await startSimulator({ delayMs: 100 })
    const startedAt = performance.now()
    await poll(NUMBER)
    expect(performance.now() - startedAt).toBeGreaterThan(98)

    await behave({ delayMs: MINUTE_MS })
    const unanswered = Promise.all(Array.from({ length: 20 }, () => poll(NUMBER)))
    const underWay = async () => (await calls()).filter(({ status }) => status === null)
    await expect.poll(underWay).toHaveLength(20)
    await app.close()
    expect((await unanswered).map(({ status }) => status)).toEqual(Array(20).fill(204))
  })
})

describe("behaviour", () => {
  test("a PUT changes the named switches and answers with all of them", async () => {
    const { behave, send } = await startSimulator({ delayMs: 1 })
    const expected = { ...defaultBehaviour(), delayMs: 1, pendingAnswers: 2 }
    expect(await (await behave({ pendingAnswers: 2 })).json()).toEqual(expected)
    expect(await (await send("GET", "/api/behaviour")).json()).toEqual(expected)
  })

  test.each([
    { delayMs: -1 },
    { delayMs: "5" },
    { pendingAnswers: 1.5 },
    { errorRate: 1.1 },
    { windowMs: 0 },
    { autoRegister: "true" },
    { autoregister: true },
    { delayMs: 5, unknown: 1 },
    [],
  ])(
    "a switch that is unknown or out of range is refused, and nothing changes: %j",
    async (update) => {
      const { behave, send } = await startSimulator()
      expect((await behave(update)).status).toBe(400)
      expect(await (await send("GET", "/api/behaviour")).json()).toEqual(defaultBehaviour())
    },
  )
})

describe("the record of calls", () => {
  test("holds every call with its arrival and status, rate-limited ones too", async () => {
    const { addOrder, poll, behave, calls, send } = await startSimulator({ requestsPerMinute: 2 })
    await addOrder(NUMBER, kettle)
    const before = Date.now()
    for (const number of [NUMBER, "x", NUMBER]) await poll(number)
    await behave({ requestsPerMinute: 0, unavailable: true })
    await poll(NUMBER)
    const after = Date.now()

    const recorded = await calls()
    expect(recorded.map(({ number, status }) => [number, status])).toEqual([
      [NUMBER, 200],
      ["x", 204],
      [NUMBER, 429],
      [NUMBER, 500],
    ])
    const times = recorded.map(({ at }) => at)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    expect(times.every((at) => at >= before && at <= after)).toBe(true)

    expect((await send("DELETE", "/api/calls")).status).toBe(204)
    expect(await calls()).toEqual([])
  })

  test("shows a call that is still being answered, with the time it arrived", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] })
    const { poll, calls } = await startSimulator({ delayMs: MINUTE_MS })
    const at = Date.now()
    const answered = poll(NUMBER)
    let listed: Call[] = []
    while (listed.length === 0) listed = await calls()
    expect(listed).toEqual([{ number: NUMBER, at, status: null }])
    await vi.advanceTimersByTimeAsync(MINUTE_MS)
    await answered
    expect(await calls()).toEqual([{ number: NUMBER, at, status: 204 }])
  })
})

test("whatever else is asked for gets an error as JSON, and /healthz answers", async () => {
  const { send } = await startSimulator()
  expect((await send("GET", "/healthz")).status).toBe(200)
  for (const [path, status] of [
    ["/nowhere", 404],
    ["/api/orders/%zz", 400],
  ] as const) {
    const response = await send("GET", path)
    expect(response.status).toBe(status)
    expect(await response.json()).toEqual({ error: expect.any(String) })
  }
  expect((await send("HEAD", `/api/orders/${NUMBER}`)).status).toBe(404)
})
