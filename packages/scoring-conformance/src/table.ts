import type { CheckReport, Report } from "./report.ts"
import type { Seen } from "./finding.ts"

const BODY_WIDTH_MAX = 72
const TEXT_WIDTH_MAX = 120
const VERDICTS = { honoured: "honoured", violated: "VIOLATED", not_seen: "not seen" }

/** The lines of a report as a person reads it: one for each check, and the sums. */
export function formatTable(report: Report): string[] {
  const rows = [["verdict", "check", "seen", "our client"], ...report.checks.map(cellsOf)]
  const widths = [0, 1, 2].map((column) =>
    Math.max(
      ...rows.map((cells) => (cells.length > column + 1 ? (cells[column] ?? "").length : 0)),
    ),
  )
  const lines = rows.map((cells) =>
    cells
      .map((cell, column) =>
        column === cells.length - 1 ? cell : cell.padEnd(widths[column] ?? 0),
      )
      .join("  "),
  )
  const { honoured, violated, notSeen } = report
  return [...lines, "", `${honoured} honoured, ${violated} violated, ${notSeen} not seen.`]
}

function cellsOf(check: CheckReport): string[] {
  const start = [VERDICTS[check.verdict], check.title]
  switch (check.verdict) {
    case "honoured":
      return [...start, describeSeen(check.seen), oneLine(check.client)]
    case "violated":
      return [
        ...start,
        `${oneLine(check.violation)} (${describeSeen(check.seen)})`,
        oneLine(check.client),
      ]
    case "not_seen":
      return [...start, check.reason]
  }
}

function describeSeen({ request, status, body, tookMs }: Seen): string {
  const registered = request.startsWith("GET ") ? [] : [request]
  const answer = [
    ...registered,
    status ?? "no answer",
    ...(body === undefined ? [] : [oneLine(body, BODY_WIDTH_MAX)]),
  ]
  return `${answer.join(" ")}, ${tookMs} ms`
}

/** A scoring system's text must not steer the operator's terminal, nor break a line. */
function oneLine(text: string, widthMax = TEXT_WIDTH_MAX): string {
  const printable = text.replaceAll(/[\p{C}\p{Z}]+/gu, " ").trim()
  return printable.length <= widthMax ? printable : `${printable.slice(0, widthMax - 1)}…`
}
