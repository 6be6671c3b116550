import { mkdtemp, rm } from "node:fs/promises"
import { createServer as createHttpServer } from "node:http"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createServer as createTlsServer } from "node:tls"
import { expect, it, onTestFinished } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import {
  order,
  type ScriptedScoring,
  startScriptedScoring,
  status,
} from "@gofermart/scoring-simulator/scripted.ts"
import { startSystem, type System } from "../harness/system.ts"
import {
  dribble,
  dripBody,
  dripHeaders,
  hang,
  hangAfterHeaders,
  joinSockets,
  listen,
  makeCertificate,
  measure,
  measured,
} from "./slow-servers.ts"

const TIMEOUT_MS = 2_500
/**
 * How much earlier or later than its deadline a poll is seen to be cut: it runs from the worker's connecting,
 * and the server sees that only when it is given a processor.
 */
const EARLY_MS = 1_000
const LATE_MS = 1_500
/** Requeue's longest lease is 5 s, the backoff's delays are under 10 s; and 30 s. */
const SETTLED_WITHIN_MS = 40_000

describeOnBackends("a scoring system that is slow", (backend) => {
  const startScoring = async () => {
    const scoring = await startScriptedScoring()
    onTestFinished(() => scoring.close())
    return scoring
  }
  const start = async (scoringUrl: string, more: Record<string, string> = {}) => {
    const env = { SCORING_TIMEOUT: `${TIMEOUT_MS}ms`, ...more }
    const system = await startSystem({ backend, scoringUrl, env })
    return system
  }

  it("29: it hangs or drips a byte a second: cut at the deadline, others go on", async () => {
    const scoring = await startScoring()
    const heldMs = new Map<string, number[]>()
    const kinds = [hang, hangAfterHeaders, dripHeaders, dripBody]
    const slow = newNumbers(kinds.length)
    for (const [i, number] of slow.entries()) {
      heldMs.set(number, [])
      scoring.script(number, measured(kinds[i] ?? hang, heldMs.get(number) ?? []))
    }
    const others = newNumbers(20)
    for (const number of others) scoring.script(number, order("PROCESSED", "1"))
    // The slow ones take every place there is.
    const system = await start(scoring.url, { WORKER_CONCURRENCY: `${slow.length}` })
    const anna = await system.register()
    await Promise.all(slow.map((number) => anna.upload(number)))
    await expectPolled(scoring, slow, 1)
    await Promise.all(others.map((number) => anna.upload(number)))
    await expectAllSettledOnce(system, others)
    await expectPolled(scoring, slow, 2)
    expect(await countProcessing(system, slow)).toBe(slow.length)
    for (const number of slow) scoring.script(number, order("PROCESSED", "2"))
    await expectAllSettledOnce(system, slow, SETTLED_WITHIN_MS)
    expect((await anna.balance()).current).toBe(20 + 2 * slow.length)
    for (const held of heldMs.values()) expectCutAtDeadline(held)
  })

  it("39: a redirect to another host is not followed", async () => {
    let visits = 0
    const elsewhere = createHttpServer((request, response) => {
      visits += 1
      order("PROCESSED", "500")(request.url?.split("/").at(-1) ?? "", response)
    })
    const elsewherePort = await listen(elsewhere, "127.0.0.2")
    const scoring = await startScoring()
    const codes = [301, 302, 303, 307, 308]
    const numbers = newNumbers(codes.length)
    for (const [i, number] of numbers.entries()) {
      const location = `http://127.0.0.2:${elsewherePort}/api/orders/${number}`
      scoring.script(number, status(codes[i] ?? 302, { location }))
    }
    const system = await start(scoring.url)
    const anna = await system.register()
    await Promise.all(numbers.map((number) => anna.upload(number)))
    await expectPolled(scoring, numbers, 2)
    expect(visits).toBe(0)
    expect(await countProcessing(system, numbers)).toBe(numbers.length)
    for (const number of numbers) scoring.script(number, order("PROCESSED", "1"))
    await expectAllSettledOnce(system, numbers, SETTLED_WITHIN_MS)
    expect((await anna.balance()).current).toBe(codes.length)
    expect(visits).toBe(0)
  })

  it("39: a TLS handshake that hangs or dribbles is cut at the deadline", async () => {
    const folder = await mkdtemp(join(tmpdir(), "gofermart-tls-"))
    onTestFinished(() => rm(folder, { recursive: true }))
    const { key, cert, certFile } = await makeCertificate(folder)
    const scoring = await startScoring()
    const tls = createTlsServer({ key, cert }, (socket) => {
      joinSockets(socket, connect(Number(new URL(scoring.url).port), "127.0.0.1"))
    })
    const tlsPort = await listen(tls)
    const heldMs: number[] = []
    let dribbledBytes = 0
    let state: "silent" | "dribbling" | "open" = "silent"
    const front = createServer((near) => {
      near.on("error", () => {})
      if (state === "open") {
        joinSockets(near, connect(tlsPort, "127.0.0.1"))
        return
      }
      measure(near, heldMs)
      near.on("close", () => (dribbledBytes += near.bytesWritten))
      if (state === "dribbling") dribble(near, connect(tlsPort, "127.0.0.1"))
      else near.resume()
    })
    const port = await listen(front)
    const [first = "", second = ""] = newNumbers(2)
    for (const number of [first, second]) scoring.script(number, order("PROCESSED", "1"))
    const system = await start(`https://127.0.0.1:${port}`, { NODE_EXTRA_CA_CERTS: certFile })
    const anna = await system.register()
    await anna.upload(first)
    await eventually("a silent handshake was cut", async () => heldMs.length >= 1)
    state = "dribbling"
    await anna.upload(second)
    await eventually("dribbling ones were cut", async () => heldMs.length >= 3)
    expect(dribbledBytes).toBeGreaterThan(0)
    expect(await countProcessing(system, [first, second])).toBe(2)
    expect([...scoring.polls(first), ...scoring.polls(second)]).toEqual([])
    state = "open"
    await expectAllSettledOnce(system, [first, second], SETTLED_WITHIN_MS)
    expectCutAtDeadline(heldMs)
  })
})

function expectCutAtDeadline(heldMs: number[]): void {
  expect(heldMs.length).toBeGreaterThan(0)
  for (const ms of heldMs) {
    expect(ms).toBeGreaterThan(TIMEOUT_MS - EARLY_MS)
    expect(ms).toBeLessThan(TIMEOUT_MS + LATE_MS)
  }
}

async function expectPolled(
  scoring: ScriptedScoring,
  numbers: string[],
  times: number,
): Promise<void> {
  await eventually(`${times} polls about each of ${numbers.join(", ")}`, async () =>
    numbers.every((number) => scoring.polls(number).length >= times),
  )
}

function countProcessing(system: System, numbers: string[]): Promise<number> {
  return system.database.client.accrual.count({
    where: { status: "PROCESSING", order: { number: { in: numbers } } },
  })
}
