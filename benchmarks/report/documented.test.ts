import { describe, expect, it } from "vitest"
import { readDocumented, whatMoved } from "./documented.ts"

const PAGE = `
| row | measured, and compared with                | ratio            | target     |
| --- | ------------------------------------------ | ---------------- | ---------- |
| 1   | uploads, to a constant; 64 connections     | 0.51 [0.46–0.54] | ≥ 0.7, no  |
|     | 256 connections                            | 0.53 [0.52–0.57] | ≥ 0.7, no  |
| 14  | memory of API and worker                   | 1.01, 1.01       | ≤ 1.1      |
`

const row = (name: string, ...ratios: number[]) => {
  return { row: name, what: "uploads", to: "a constant", ratios, target: undefined }
}

describe("what has moved", () => {
  it("reads the page's ratios by row, and leaves out what has no range", () => {
    const first = { median: 0.51, low: 0.46, high: 0.54 }
    const second = { median: 0.53, low: 0.52, high: 0.57 }
    expect([...readDocumented(PAGE)]).toEqual([["1", [first, second]]])
  })

  it("is told of a row whose quartiles do not meet the page's", () => {
    const moved = whatMoved([row("1, 64 connections", 0.6, 0.62), row("1, 256", 0.5, 0.54)], PAGE)
    expect(moved).toEqual([
      "1, 64 connections, to a constant: 0.61 [0.60–0.61], documented 0.51 [0.46–0.54]",
    ])
  })

  it("is not told of rows that were not measured, or are not on the page", () => {
    expect(whatMoved([row("1, 64 connections"), row("99", 5), row("14", 5)], PAGE)).toEqual([])
  })

  it("finds the rows of the page itself", () => {
    expect(whatMoved([row("5", 100)])).toHaveLength(1)
  })
})
