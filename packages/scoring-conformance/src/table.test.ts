import { describe, expect, it } from "vitest"
import { formatTable } from "./table.ts"
import type { CheckReport, Report } from "./report.ts"

const seen = { request: "GET /api/orders/18", status: 200, body: "{}", tookMs: 7 }
const report = (...checks: CheckReport[]): Report => ({
  url: "http://scoring",
  honoured: 1,
  violated: 1,
  notSeen: 1,
  checks,
})

const honoured: CheckReport = {
  check: "known",
  title: "a known order is a 200",
  verdict: "honoured",
  seen,
  client: "credits 5.00 points",
}
const violated: CheckReport = {
  ...honoured,
  verdict: "violated",
  violation: "it answered 200",
  client: "polls again",
}
const notSeen: CheckReport = {
  check: "limit",
  title: "a limit",
  verdict: "not_seen",
  reason: "why",
}

describe("the table", () => {
  it("has one line for each check, in columns, and the sums", () => {
    expect(formatTable(report(honoured, violated, notSeen))).toEqual([
      "verdict   check                   seen                            our client",
      "honoured  a known order is a 200  200 {}, 7 ms                    credits 5.00 points",
      "VIOLATED  a known order is a 200  it answered 200 (200 {}, 7 ms)  polls again",
      "not seen  a limit                 why",
      "",
      "1 honoured, 1 violated, 1 not seen.",
    ])
  })

  it("names the request where it is no poll, and says when no answer came", () => {
    const post = { request: "POST /api/goods", status: 404, tookMs: 7 }
    const silent = { request: "GET /api/orders/18", tookMs: 10_000 }
    const lines = formatTable(report({ ...violated, seen: post }, { ...violated, seen: silent }))
    expect(lines[1]).toContain("(POST /api/goods 404, 7 ms)")
    expect(lines[2]).toContain("(no answer, 10000 ms)")
  })

  it("shows nothing of a scoring system's that steers a terminal, or is long", () => {
    const hostile = "\u001b[2J\u009b31m\n\r\u202Eabc\u0000\t" + "x".repeat(10_000)
    const [, first = "", second = ""] = formatTable(
      report(
        { ...honoured, seen: { ...seen, body: hostile } },
        { ...violated, violation: hostile, client: hostile },
      ),
    )
    for (const line of [first, second]) {
      expect(line).toMatch(/^[^\p{C}]+$/u)
      expect(line.length).toBeLessThan(600)
    }
  })
})
