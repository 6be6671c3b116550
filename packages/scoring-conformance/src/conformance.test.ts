import { afterEach, describe, expect, it } from "vitest"
import { checkConformance } from "./conformance.ts"
import {
  check,
  closeSystems,
  type Defect,
  httpDate,
  partOf,
  partsWith,
  PROCESSED,
  refusing,
  SENTENCE,
  startSystem,
} from "./scripted-system.ts"

afterEach(closeSystems)

describe("a good scoring system", () => {
  it("honours all that it shows, and nothing else counts as honoured", async () => {
    const { url } = await startSystem((good) => good)
    const report = await check(url)
    expect(partsWith(report, "violated")).toEqual([])
    expect(partsWith(report, "not_seen")).toEqual([
      "limit",
      "retry_after",
      "limit_sentence",
      "limit_ends",
      "registration",
      "reward",
    ])
    expect(report).toMatchObject({ honoured: report.parts.length - 6, violated: 0, notSeen: 6 })
    expect(partOf(report, "accrual")).toMatchObject({
      seen: { request: `GET /api/orders/${PROCESSED}`, status: 200 },
      client: "credits 729.98 points",
    })
    expect(partOf(report, "invalid")).toMatchObject({ client: /settles the order as INVALID/ })
  })

  it("that is not asked about a known order shows little", async () => {
    const { url } = await startSystem((good) => good)
    const outcome = await checkConformance(url, {
      orders: [],
      register: false,
      limitWithin: 0,
      progress: () => undefined,
    })
    expect(outcome.kind === "reported" && partsWith(outcome.report, "honoured")).toEqual([
      "answered",
      "keep_alive",
      "no_redirect",
      "unknown",
      "long_numbers",
    ])
  })
})

describe("the kit itself", () => {
  it("meets the limit, waits Retry-After out, and asks no more than that", async () => {
    const { url, asked } = await startSystem(refusing({ "retry-after": "1" }, SENTENCE))
    const report = await check(url, 10)
    expect(partsWith(report, "violated")).toEqual([])
    expect(partsWith(report, "not_seen")).toEqual(["registration", "reward"])
    expect(partOf(report, "limit_ends")).toMatchObject({ seen: { status: 204 } })
    const before = await startSystem((good) => good)
    await check(before.url)
    expect(asked()).toBe(before.asked() + 5)
  })

  it("takes a Retry-After that is a date", async () => {
    // Made when it answers: a slow machine may come to the refusal late.
    const { url } = await startSystem((good, question) =>
      refusing({ "retry-after": httpDate(2_000) }, SENTENCE)(good, question),
    )
    const report = await check(url, 10)
    expect(partsWith(report, "violated")).toEqual([])
    expect(partOf(report, "limit_ends")).toMatchObject({ verdict: "honoured" })
  })

  it("says so when nothing was refused within the questions it may ask", async () => {
    const { url, asked } = await startSystem((good) => good)
    const report = await check(url, 5)
    const reason = expect.stringContaining("it refused none of 5 questions")
    expect(partOf(report, "limit")).toMatchObject({ verdict: "not_seen", reason })
    const before = await startSystem((good) => good)
    await check(before.url)
    expect(asked()).toBe(before.asked() + 5)
  })

  it("does not wait for minutes: a refusal that is too long ends the questions", async () => {
    const long: Defect = () => ({
      status: 429,
      headers: { "content-type": "text/plain", "retry-after": "300" },
      body: SENTENCE,
    })
    const { url, asked } = await startSystem(long)
    const report = await check(url, 10)
    expect(partsWith(report, "honoured")).toEqual([
      "answered",
      "no_redirect",
      "no_compression",
      "limit",
      "retry_after",
      "limit_sentence",
    ])
    const reason = expect.stringContaining("it refuses for 300 s")
    expect(partOf(report, "known")).toMatchObject({ verdict: "not_seen", reason })
    expect(asked()).toBe(1)
  })

  it("asks no more when several questions in a row are not answered", async () => {
    const { url, asked } = await startSystem(() => "close")
    const report = await check(url, 10)
    expect(asked()).toBe(3)
    expect(partsWith(report, "violated")).toEqual(["answered"])
    expect(report.honoured).toBe(0)
  })

  it("says that nothing listens, and why", async () => {
    const { url } = await startSystem((good) => good)
    closeSystems()
    const options = { orders: [], register: false, limitWithin: 0, progress: () => undefined }
    expect(await checkConformance(url, options)).toEqual({
      kind: "unreachable",
      reason: expect.stringContaining("ECONNREFUSED"),
    })
  })
})
