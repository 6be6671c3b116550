import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest"
import { createGofermartClient } from "./client.ts"
import { followEvents } from "./follow-events.ts"

/** What the server does with a connection. */
type Reply = (response: ServerResponse) => void

/** Gives how long the waits between two connections are, and lets them end at once unless told not to. */
function watchWaits({ passed }: { passed: boolean }): number[] {
  const waitsMs: number[] = []
  const { setTimeout: start } = globalThis
  const spy = vi.spyOn(globalThis, "setTimeout")
  spy.mockImplementation(((end: () => void, delayMs: number) => {
    // Other timers, also those of `fetch`, are none of these.
    if (new Error("who waits").stack?.includes("/sleep.ts") !== true) return start(end, delayMs)
    waitsMs.push(delayMs)
    return start(end, passed ? 0 : delayMs)
  }) as typeof setTimeout)
  onTestFinished(() => spy.mockRestore())
  return waitsMs
}

describe("following events", () => {
  let close: () => void
  afterEach(() => close())

  /** Follows a server that treats one connection after the other as it is told. */
  const follow = async (...replies: Reply[]) => {
    const connections: { lastEventId: string | undefined }[] = []
    const server = createServer((request, response) => {
      const lastEventId = request.headers["last-event-id"]?.toString()
      connections.push({ lastEventId })
      replies[connections.length - 1]?.(response)
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as AddressInfo
    const stop = new AbortController()
    close = () => {
      stop.abort()
      server.closeAllConnections()
      server.close()
    }
    const client = createGofermartClient(`http://127.0.0.1:${port}`, { token: "any" })
    return { connections, stop, stream: followEvents(client, { signal: stop.signal }) }
  }
  const says = (text: string, then: (response: ServerResponse) => void = () => {}) => {
    return (response: ServerResponse) => {
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.write(text, () => then(response))
    }
  }
  const event = (id: number) => `id: ${id}\nevent: order\ndata: {"balance":${id}}\n\n`
  const breaks = (response: ServerResponse) => void setTimeout(() => response.destroy(), 50)
  const unavailable = (retryAfterS: string) => (response: ServerResponse) => {
    response.writeHead(503, {
      "content-type": "application/problem+json",
      "retry-after": retryAfterS,
    })
    const problem = { status: 503, code: "unavailable", type: "", title: "", detail: "" }
    response.end(JSON.stringify({ ...problem, instance: "", request_id: "" }))
  }

  it("resumes after what it has seen when a stream breaks, even in the middle of an event", async () => {
    const { connections, stream } = await follow(
      says(`retry: 100\nid: 4\n\n${event(5)}${event(6)}id: 7\nevent: or`, breaks),
      says(event(7), breaks),
      says(": nothing new\n\n"),
    )
    const seen = [await stream.next(), await stream.next(), await stream.next()]
    expect(seen.map(({ value }) => value?.id)).toEqual(["5", "6", "7"])
    expect(connections.map(({ lastEventId }) => lastEventId)).toEqual([undefined, "6"])
  })

  it("resumes from the id it was given before there was an event", async () => {
    const { connections, stream } = await follow(
      says("retry: 100\nid: 41\n\n", breaks),
      says(event(42)),
    )
    expect((await stream.next()).value).toMatchObject({ id: "42", data: { balance: 42 } })
    expect(connections.map(({ lastEventId }) => lastEventId)).toEqual([undefined, "41"])
  })

  it("waits as long as the server says before it asks again", async () => {
    const waitsMs = watchWaits({ passed: true })
    const { stream } = await follow(
      says("retry: 700\n\n", breaks),
      says("retry: 100\n\n", breaks),
      unavailable("1"),
      says(event(1)),
    )
    await stream.next()
    expect(waitsMs).toEqual([700, 100, 2_000])
  })

  it("ends at once when it is told to while it waits, and does not ask again", async () => {
    const waitsMs = watchWaits({ passed: false })
    const { connections, stop, stream } = await follow(says("retry: 30000\n\n", breaks))
    const none = stream.next()
    await expect.poll(() => waitsMs).toEqual([30_000])
    stop.abort()
    expect(await none).toEqual({ done: true, value: undefined })
    expect(connections).toHaveLength(1)
  })

  it("passes over events that it does not know", async () => {
    const { stream } = await follow(says(`id: 1\nevent: news\ndata: none\n\n${event(2)}`))
    expect((await stream.next()).value?.id).toBe("2")
  })
})
