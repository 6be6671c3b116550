import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { type Spread, spread } from "../measure/statistics.ts"
import type { Row } from "../scenarios/scenario.ts"
import { spreadText } from "./format.ts"

const PAGE = fileURLToPath(new URL("../../docs/PERFORMANCE.md", import.meta.url))

/** A ratio, as `spreadText` writes it, and nothing else in its cell. */
const RATIO = /^([0-9.]+) \[([0-9.]+)–([0-9.]+)\]$/

/** The page's ratios by the number of their row, in its order; of rows that give a range. */
export function readDocumented(page: string): Map<string, Spread[]> {
  const documented = new Map<string, Spread[]>()
  let number = ""
  for (const line of page.split("\n").filter((it) => it.startsWith("|"))) {
    const [, row = "", , ratio = ""] = line.split("|").map((cell) => cell.trim())
    if (row !== "") number = row
    const [, median, low, high] = (RATIO.exec(ratio) ?? []).map(Number)
    if (median === undefined || low === undefined || high === undefined) continue
    documented.set(number, [...(documented.get(number) ?? []), { median, low, high }])
  }
  return documented
}

/** A line for each row whose quartiles do not meet those of the page. */
export function whatMoved(rows: Row[], page = readFileSync(PAGE, "utf8")): string[] {
  const documented = readDocumented(page)
  const seen = new Map<string, number>()
  return rows.flatMap((row) => {
    const number = row.row.split(",", 1)[0] ?? ""
    const place = seen.get(number) ?? 0
    seen.set(number, place + 1)
    const before = documented.get(number)?.[place]
    if (before === undefined || row.ratios.length === 0) return []
    const now = spread(row.ratios)
    if (now.low <= before.high && now.high >= before.low) return []
    return [`${row.row}, to ${row.to}: ${spreadText(now)}, documented ${spreadText(before)}`]
  })
}
