import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import { withCheckDigit } from "@gofermart/shared/domain/order-number.ts"
import { describe, expect, it, onTestFinished } from "vitest"
import { openScoringClient } from "./client.ts"

const NUMBER = withCheckDigit("237722562")
/** Longer than any test may take: a call that is only given up then is never answered here. */
const TIMEOUT_MS = 3_600_000
const HEADERS = { "retry-after": "30", "content-type": "application/json" }

/** Bodies that cannot be read, each after its answer's headers. */
const BODIES: Record<string, (response: Parameters<RequestListener>[1]) => void> = {
  "is too large": (response) => response.end("x".repeat(20_000)),
  "is cut off": (response) => {
    response.write("x", () => response.destroy())
  },
}

/** A client of a scoring system that answers so. */
async function open(listener: RequestListener) {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const client = openScoringClient(`http://127.0.0.1:${port}`, TIMEOUT_MS, 1)
  onTestFinished(() => {
    client.close()
    server.closeAllConnections()
    server.close()
  })
  return client
}

/** Asks it once. */
async function askOne(listener: RequestListener) {
  return await (await open(listener)).poll(NUMBER)
}

describe.each(Object.entries(BODIES))("an answer whose body %s", (_how, send) => {
  const poll = (status: number) =>
    askOne((_request, response) => send(response.writeHead(status, HEADERS)))

  it("pauses all the same when it is a 429", async () => {
    expect(await poll(429)).toEqual({ kind: "too_many_requests", pauseMs: 30_000 })
  })

  it("is a failure all the same when it is a 5xx, and a 503 pauses", async () => {
    const failure = { kind: "unavailable", orderWaitMs: 30_000 }
    expect(await poll(500)).toEqual({ ...failure, reason: "it answered 500" })
    expect(await poll(503)).toEqual({ ...failure, reason: "it answered 503", pauseMs: 30_000 })
  })

  it("says when to poll its order again, whatever it is", async () => {
    expect(await poll(200)).toMatchObject({ orderWaitMs: 30_000 })
    expect(await poll(404)).toMatchObject({ orderWaitMs: 30_000 })
  })
})

it("a body that is too large is broken, and one that is cut off is no answer", async () => {
  const poll = (how: string) =>
    askOne((_request, response) => BODIES[how]?.(response.writeHead(200, HEADERS)))
  expect(await poll("is too large")).toMatchObject({ kind: "broken" })
  expect(await poll("is cut off")).toMatchObject({ kind: "unavailable" })
})

it("a refusal whose body never ends is known long before its call is given up", async () => {
  const answer = await askOne((_request, response) => response.writeHead(429, HEADERS).write("No"))
  expect(answer).toEqual({ kind: "too_many_requests", pauseMs: 30_000 })
})

it("that is closed gives up the calls under way, and begins no other", async () => {
  const { promise: isAsked, resolve } = Promise.withResolvers<void>()
  let calls = 0
  const client = await open(() => {
    calls += 1
    resolve()
  })
  const underWay = client.poll(NUMBER)
  await isAsked
  expect(client.isClosed).toBe(false)
  client.close()
  expect(client.isClosed).toBe(true)
  expect(await underWay).toMatchObject({ kind: "unavailable" })
  expect(await client.poll(NUMBER)).toMatchObject({ kind: "unavailable" })
  expect(calls).toBe(1)
})
