import { sideText, isReached, ratioText, targetText } from "./format.ts"
import type { Run } from "../measure/rounds.ts"
import type { Row } from "../scenarios/scenario.ts"

const HEADINGS = ["row", "of", "ratio to", "median [quartiles]", "to reach", ""]

/** The lines of a table of these cells, under its headings. */
export function tableOf(lines: string[][]): string[] {
  const widths = HEADINGS.map((_heading, i) =>
    Math.max(...[HEADINGS, ...lines].map((cells) => cells[i]?.length ?? 0)),
  )
  return [HEADINGS, ...lines].map((cells) =>
    cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  "),
  )
}

export function cellsOf(row: Row): string[] {
  const reached = isReached(row)
  const verdict = reached === undefined ? "" : reached ? "reached" : "NOT reached"
  return [row.row, row.what, row.to, ratioText(row), targetText(row), verdict]
}

/** A line for each side: its figures. */
export function sidesOf(sides: Iterable<[string, Run[]]>): string[] {
  return [...sides].map(([side, runs]) => `  ${side}: ${sideText(runs)}`)
}
