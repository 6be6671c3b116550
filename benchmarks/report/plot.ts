import { spread } from "../measure/statistics.ts"
import type { Row } from "../scenarios/scenario.ts"
import { isReached, ratioText, targetText } from "./format.ts"

const WIDTH = 900
const LABEL_WIDTH = 470
const TEXT_WIDTH = 190
const LINE_HEIGHT = 30
const MARGIN = 24
/** Of the target; what is further off is drawn at the edge. */
const SCALE_MAX = 2

/**
 * A picture of the rows as SVG: each median with its quartiles, in parts of the row's target, which
 * is the line in the middle. Rows without a target are not in it.
 */
export function plot(rows: Row[]): string {
  const shown = rows.filter((row) => row.ratios.length > 0 && row.target !== undefined)
  const height = shown.length * LINE_HEIGHT + 2 * MARGIN
  const left = LABEL_WIDTH
  const right = WIDTH - TEXT_WIDTH
  const x = (part: number) => left + (Math.min(part, SCALE_MAX) / SCALE_MAX) * (right - left)
  const lines = shown.map((row, i) => {
    const y = MARGIN + i * LINE_HEIGHT + LINE_HEIGHT / 2
    const { median, low, high } = spread(row.ratios)
    const goal = row.target !== undefined && "atLeast" in row.target ? row.target.atLeast : at(row)
    const colour = isReached(row) === true ? "#1a7f37" : "#b35900"
    return [
      `<text x="8" y="${y + 4}">${escaped(`${row.row}: to ${row.to}`)}</text>`,
      `<line x1="${x(low / goal)}" x2="${x(high / goal)}" y1="${y}" y2="${y}" stroke="${colour}" stroke-width="4"/>`,
      `<circle cx="${x(median / goal)}" cy="${y}" r="6" fill="${colour}"/>`,
      `<text x="${right + 12}" y="${y + 4}">${escaped(`${ratioText(row)}  ${targetText(row)}`)}</text>`,
    ].join("\n")
  })
  const middle = x(1)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
<line x1="${middle}" x2="${middle}" y1="${MARGIN / 2}" y2="${height - MARGIN / 2}" stroke="#888" stroke-dasharray="4"/>
<text x="${middle}" y="12" text-anchor="middle" fill="#555">target</text>
${lines.join("\n")}
</svg>
`
}

function at({ target }: Row): number {
  return target !== undefined && "atMost" in target ? target.atMost : 1
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
}
