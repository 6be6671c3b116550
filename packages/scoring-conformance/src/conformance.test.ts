import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { checkConformance } from "./conformance.ts"
import { passWaits } from "./pass-waits.ts"
import {
  checkSystem,
  closeSystems,
  type Defect,
  httpDate,
  checkOf,
  checksWith,
  PROCESSED,
  refusing,
  SENTENCE,
  startSystem,
} from "./scripted-system.ts"

beforeEach(passWaits)
afterEach(closeSystems)

describe("a good scoring system", () => {
  it("honours all that it shows, and nothing else counts as honoured", async () => {
    const { url } = await startSystem((good) => good)
    const report = await checkSystem(url)
    expect(checksWith(report, "violated")).toEqual([])
    expect(checksWith(report, "not_seen")).toEqual([
      "limit",
      "retry_after",
      "limit_sentence",
      "limit_ends",
      "registration",
      "reward",
    ])
    expect(report).toMatchObject({ honoured: report.checks.length - 6, violated: 0, notSeen: 6 })
    expect(checkOf(report, "accrual")).toMatchObject({
      seen: { request: `GET /api/orders/${PROCESSED}`, status: 200 },
      client: "credits 729.98 points",
    })
    expect(checkOf(report, "invalid")).toMatchObject({ client: /settles the order as INVALID/ })
  })

  it("that is polled about no known order shows little", async () => {
    const { url } = await startSystem((good) => good)
    const outcome = await checkConformance(url, {
      orders: [],
      register: false,
      limitWithin: 0,
      progress: () => undefined,
    })
    expect(outcome.kind === "reported" && checksWith(outcome.report, "honoured")).toEqual([
      "answered",
      "keep_alive",
      "no_redirect",
      "unknown",
      "long_numbers",
    ])
  })
})

describe("the kit itself", () => {
  it("meets the limit, waits Retry-After out, and polls no more than that", async () => {
    const { url, polls } = await startSystem(refusing({ "retry-after": "1" }, SENTENCE))
    const report = await checkSystem(url, 10)
    expect(checksWith(report, "violated")).toEqual([])
    expect(checksWith(report, "not_seen")).toEqual(["registration", "reward"])
    expect(checkOf(report, "limit_ends")).toMatchObject({ seen: { status: 204 } })
    const before = await startSystem((good) => good)
    await checkSystem(before.url)
    expect(polls()).toBe(before.polls() + 5)
  })

  it("takes a Retry-After that is a date", async () => {
    // Made when it answers: a slow machine may come to the refusal late.
    const { url } = await startSystem((good, poll) =>
      refusing({ "retry-after": httpDate(2_000) }, SENTENCE)(good, poll),
    )
    const report = await checkSystem(url, 10)
    expect(checksWith(report, "violated")).toEqual([])
    expect(checkOf(report, "limit_ends")).toMatchObject({ verdict: "honoured" })
  })

  it("says so when nothing was refused within the polls it may make", async () => {
    const { url, polls } = await startSystem((good) => good)
    const report = await checkSystem(url, 5)
    const reason = expect.stringContaining("it refused none of 5 polls")
    expect(checkOf(report, "limit")).toMatchObject({ verdict: "not_seen", reason })
    const before = await startSystem((good) => good)
    await checkSystem(before.url)
    expect(polls()).toBe(before.polls() + 5)
  })

  it("does not wait for minutes: a refusal that is too long ends the polls", async () => {
    const long: Defect = () => ({
      status: 429,
      headers: { "content-type": "text/plain", "retry-after": "300" },
      body: SENTENCE,
    })
    const { url, polls } = await startSystem(long)
    const report = await checkSystem(url, 10)
    expect(checksWith(report, "honoured")).toEqual([
      "answered",
      "no_redirect",
      "no_compression",
      "limit",
      "retry_after",
      "limit_sentence",
    ])
    const reason = expect.stringContaining("it refuses for 300 s")
    expect(checkOf(report, "known")).toMatchObject({ verdict: "not_seen", reason })
    expect(polls()).toBe(1)
  })

  it("polls no more when several polls in a row are not answered", async () => {
    const { url, polls } = await startSystem(() => "close")
    const report = await checkSystem(url, 10)
    expect(polls()).toBe(3)
    expect(checksWith(report, "violated")).toEqual(["answered"])
    expect(report.honoured).toBe(0)
  })

  it("says that nothing listens, and why", async () => {
    const { url } = await startSystem((good) => good)
    await closeSystems()
    const options = { orders: [], register: false, limitWithin: 0, progress: () => undefined }
    expect(await checkConformance(url, options)).toEqual({
      kind: "unreachable",
      reason: expect.stringContaining("ECONNREFUSED"),
    })
  })
})
