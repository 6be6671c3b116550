import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { startSystem, type System } from "../harness/system.ts"
import { scrape } from "../harness/exposition.ts"
import { ask } from "./readiness.ts"

/**
 * A promise: what a request of somebody may cost who has not said who they are. Where a processor
 * is slow or shared everything takes longer: there it is so many times the cheapest request.
 */
const CPU_MAX_MS = 2
const CHEAPEST_MAX_TIMES = 15
const REQUESTS = 60
/** Of so many measurements the middle one counts: another may hold a collection of garbage. */
const MEASUREMENTS = 3
const WARM_UP_REQUESTS = 20
const AT_ONCE = 4
const PASSWORD = "an operator's password"
const CREDENTIALS = {
  authorization: `Basic ${Buffer.from(`operator:${PASSWORD}`).toString("base64")}`,
}

const objectOf = (names: string[]) => `{${names.map((name) => `"${name}":1`).join(",")}}`
const names = (count: number) => objectOf(Array.from({ length: count }, (_, i) => `n${i}`))

/** Of so many bytes as the headers of a request may have, with some to spare for the others. */
const filled = (part: string, bytes = 15_800) => part.repeat(bytes / part.length)
const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~!*'"
/** Each of two letters: as many names as fit into the bytes. */
const shortNames = (count: number) =>
  [...LETTERS].flatMap((a) => [...LETTERS].map((b) => a + b)).slice(0, count)

const MANY_PARAMETERS = shortNames(4_761).join("&")

type Ask = [what: string, send: () => Promise<unknown>]

const request = (url: string, init?: RequestInit) => async () =>
  (await fetch(url, init)).arrayBuffer()

describe("a request without credentials", () => {
  let system: System
  beforeAll(async () => {
    const env = { OPERATORS_PASSWORD: PASSWORD }
    system = await startSystem({ backend: "postgresql", env })
  })
  afterAll(() => system.close())

  /** What a request costs the process, in milliseconds of a processor's time. */
  const costOf = async (operatorsUrl: string, send: () => Promise<unknown>) => {
    const cpuSeconds = async () => {
      const samples = await scrape(operatorsUrl, CREDENTIALS)
      return samples.get("process_cpu_seconds_total") ?? Number.NaN
    }
    const sendSome = async (count: number) => {
      for (let i = 0; i < count; i += AT_ONCE) {
        await Promise.all(Array.from({ length: AT_ONCE }, send))
      }
    }
    await sendSome(WARM_UP_REQUESTS)
    const costs: number[] = []
    while (costs.length < MEASUREMENTS) {
      const before = await cpuSeconds()
      await sendSome(REQUESTS)
      costs.push((((await cpuSeconds()) - before) * 1_000) / REQUESTS)
    }
    return costs.toSorted((a, b) => a - b)[Math.floor(MEASUREMENTS / 2)] ?? Number.NaN
  }

  const expectCheap = async (operatorsUrl: string, asks: Ask[]) => {
    const { apiUrl } = system
    const cheapest = await costOf(system.operatorsUrl, request(`${apiUrl}/healthz`))
    const max = Math.max(CPU_MAX_MS, cheapest * CHEAPEST_MAX_TIMES)
    for (const [what, send] of asks) {
      const cost = await costOf(operatorsUrl, send)
      process.stdout.write(`${cost.toFixed(2)} ms  ${what}\n`)
      expect.soft({ what, isCheap: cost <= max, cost }).toMatchObject({ isCheap: true })
    }
  }

  it("costs the API at most 2 ms, unless it hashes a password", async () => {
    const { apiUrl, operatorsUrl } = system
    const page = await (await fetch(`${apiUrl}/docs`)).text()
    const files = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path ?? "")
    expect(files.length).toBeGreaterThan(3)
    const asks: Ask[] = []
    for (const path of ["/docs", ...files, "/openapi.json", "/healthz", "/readyz", "/nothing"]) {
      for (const encoding of ["gzip", "br"]) {
        const headers = { "accept-encoding": encoding }
        asks.push([`${path} as ${encoding}`, request(`${apiUrl}${path}`, { headers })])
      }
    }
    const token = `Bearer ${["{}", "{}", "signature"].map((part) => btoa(part)).join(".")}`
    const balance = `${apiUrl}/api/user/balance`
    asks.push(
      ["a balance without a token", request(balance)],
      [
        "a balance with a token of nobody's",
        request(balance, { headers: { authorization: token } }),
      ],
    )
    const bodies: Record<string, string> = {
      "no JSON": "{",
      "250 kB of text": JSON.stringify({ login: "a".repeat(250_000), password: "b" }),
      "250 kB of brackets": "[".repeat(125_000) + "]".repeat(125_000),
      "250 kB of names": names(20_000),
      "16 kB of brackets": "[".repeat(8_000) + "]".repeat(8_000),
      "16 kB of names": names(1_300),
      "16 kB of short names": objectOf(shortNames(2_300)),
    }
    const headers = { "content-type": "application/json" }
    for (const [what, body] of Object.entries(bodies)) {
      const init = { method: "POST", headers, body }
      asks.push([`a registration with ${what}`, request(`${apiUrl}/api/user/register`, init)])
      asks.push([`a login with ${what}`, request(`${apiUrl}/api/user/login`, init)])
    }
    const long: Record<string, Record<string, string>> = {
      "accept-encoding": { "accept-encoding": filled("a,") },
      "accept-encoding in odd case": { "accept-encoding": filled("X-GZIP;q=0.5,") },
      cookies: { cookie: filled("a=b;") },
      "content-type": { "content-type": filled("a/b;a=b;") },
      prefer: { prefer: filled("a,") },
      forwarded: { "x-forwarded-for": filled("1,") },
      "many headers": Object.fromEntries(shortNames(2_000).map((name) => [`${name}-`, ""])),
    }
    for (const [what, longHeaders] of Object.entries(long)) {
      const init = { headers: longHeaders }
      asks.push([`16 kB of ${what}`, request(`${apiUrl}/healthz`, init)])
    }
    asks.push(
      ["16 kB of query", request(`${apiUrl}/healthz?${MANY_PARAMETERS}`)],
      ["16 kB of one parameter", request(`${apiUrl}/healthz?${filled("_&")}`)],
      ["16 kB of percent signs", request(`${apiUrl}/${filled("%41")}`)],
    )
    const init = { method: "POST", headers, body: bodies["250 kB of names"] ?? "" }
    asks.push(["250 kB of names to no address", request(`${apiUrl}/nothing`, init)])
    await expectCheap(operatorsUrl, asks)
  })

  it("costs a listener for operators at most 2 ms", async () => {
    const { operatorsUrl, workers } = system
    const workersUrl = workers[0]?.details["operatorsUrl"] ?? ""
    await expectCheap(operatorsUrl, [
      ["the board, unauthenticated", request(`${operatorsUrl}/`)],
      ["its jobs, unauthenticated", request(`${operatorsUrl}/api/queues`)],
      ["metrics, unauthenticated", request(`${operatorsUrl}/metrics`)],
      ["16 kB of query, unauthenticated", request(`${operatorsUrl}/?${MANY_PARAMETERS}`)],
    ])
    await expectCheap(workersUrl, [["a worker's health", () => ask(`${workersUrl}/healthz`)]])
  })

  it("that asks for metrics, of a listener without a password, costs at most 2 ms", async () => {
    const open = await system.addApi({ OPERATORS_PASSWORD: "" })
    const url = open.details["operatorsUrl"] ?? ""
    await expectCheap(url, [["metrics", request(`${url}/metrics`)]])
  })
})
