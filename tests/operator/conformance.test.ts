import { constants } from "node:os"
import { buildSimulator } from "@gofermart/scoring-simulator/app.ts"
import type { BehaviourUpdate } from "@gofermart/scoring-simulator/behaviour.ts"
import { type OrderNumber, withCheckDigit } from "@gofermart/shared/domain/order-number.ts"
import { afterEach, describe, expect, it } from "vitest"
import { runIntoFullPipe, runProgram, runSplit } from "./run.ts"

const ORDER = withCheckDigit("237722562")
/** Nothing listens there. */
const NOWHERE = "127.0.0.1:9"

const running: { close(): Promise<unknown> }[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((app) => app.close()))
})

async function startSimulator(behaviour: BehaviourUpdate = {}): Promise<string> {
  const app = buildSimulator({ behaviour })
  running.push(app)
  return await app.listen({ port: 0, host: "127.0.0.1" })
}

async function registerOrder(url: string, order: OrderNumber): Promise<void> {
  await fetch(`${url}/api/orders`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ order, goods: [] }),
  })
}

describe("gofermart conformance", () => {
  it("0 when nothing is violated, with a line for each rule and the sums; no settings", async () => {
    const url = await startSimulator()
    await registerOrder(url, ORDER)
    const { code, said } = await runProgram({}, ["conformance", url, "--order", ORDER])
    expect(said).toMatch(
      /^honoured {2}INVALID is a verdict +200 \{"order":"\d+","status":"INVALID"/m,
    )
    expect(said).toMatch(/^not seen {2}polled too often, it answers 429 +it refused nothing/m)
    expect(said).not.toContain("VIOLATED")
    expect(said).toMatch(/^\d+ honoured, 0 violated, \d+ not seen\.$/m)
    expect(code).toBe(0)
  })

  it("1 when something is violated, and what our client makes of it", async () => {
    const url = await startSimulator({ autoRegister: true })
    const { code, said } = await runProgram({}, ["conformance", url])
    expect(said).toMatch(
      /^VIOLATED {2}an unknown order is a 204 without a body +it knows a number made up just now \(200 .*, \d+ ms\) +credits \d+\.\d\d points$/m,
    )
    expect(code).toBe(1)
  })

  it("registers orders, and meets the limit, when it is told to", async () => {
    const url = await startSimulator({ requestsPerMinute: 15, windowMs: 2_000, pendingAnswers: 2 })
    const args = ["conformance", url, "--register", "--limit-within", "1000"]
    const { code, said } = await runProgram({}, args)
    expect(said).toMatch(/^\d+ honoured, 0 violated, 0 not seen\.$/m)
    expect(said).toContain("seconds of Retry-After waited")
    expect(code).toBe(0)
  })

  it("polls with GET alone, and about nothing it was not told, without options", async () => {
    const url = await startSimulator()
    await runProgram({}, ["conformance", url])
    const calls = (await (await fetch(`${url}/api/calls`)).json()) as unknown[]
    expect(calls.length).toBeLessThanOrEqual(3)
  })

  it("--json is the report, and nothing else on the standard output", async () => {
    const url = await startSimulator()
    const args = ["conformance", url, "--order", ORDER, "--json"]
    const { code, printed } = await runSplit({}, args)
    const report = JSON.parse(printed) as { checks: { check: string }[] }
    expect(report).toMatchObject({ url, honoured: expect.any(Number), violated: 1 })
    expect(report.checks).toContainEqual({
      check: "known",
      title: "a known order is a 200",
      verdict: "violated",
      violation: "it answered 204",
      seen: { request: `GET /api/orders/${ORDER}`, status: 204, tookMs: expect.any(Number) },
      client: expect.stringContaining("UNREGISTERED after the grace time"),
    })
    expect(code).toBe(1)
  })

  it("prints all of it to a reader that takes its time", async () => {
    const url = await startSimulator()
    const { printed } = await runIntoFullPipe(["conformance", url, "--json"], "sleep 3; cat")
    expect(JSON.parse(printed)).toMatchObject({ url })
  })

  it("ends without a word when its reader leaves", async () => {
    const url = await startSimulator()
    const { code, complained } = await runIntoFullPipe(["conformance", url, "--json"], "exec <&-")
    expect(complained).not.toContain("EPIPE")
    expect(code).toBe(128 + constants.signals.SIGPIPE)
  })

  it.each([
    { args: [NOWHERE], says: "cannot be reached" },
    { args: [], says: "missing required argument 'url'" },
    { args: ["ftp://scoring"], says: "<url> must be an address such as" },
    { args: ["http://"], says: "<url> must be an address such as" },
    { args: ["http://anna:a@scoring"], says: "it has a user name or a password" },
    { args: [NOWHERE, "--order", "12345"], says: "An order number is digits" },
    { args: [NOWHERE, "--limit-within", "0"], says: "a whole number from 1 to 10000" },
    { args: [NOWHERE, "--limit-within", "10001"], says: "a whole number from 1 to 10000" },
    {
      args: [NOWHERE, ...Array.from({ length: 101 }, () => ["--order", ORDER]).flat()],
      says: "No more than 100 orders",
    },
  ])("given $args: 2, and what is wrong with it", async ({ args, says }) => {
    const { code, said } = await runProgram({}, ["conformance", ...args])
    expect(said).toContain(says)
    expect(code).toBe(2)
  })

  it("--help: 0, with every option, and which of them change something", async () => {
    const { code, said } = await runProgram({}, ["conformance", "--help"])
    expect(code).toBe(0)
    for (const option of ["--order", "--register", "--limit-within", "--json"]) {
      expect(said).toContain(option)
    }
    expect(said).toContain("CHANGES THE SCORING SYSTEM")
    expect(said).toContain("SPENDS THE FLEET'S QUOTA")
  })
})
