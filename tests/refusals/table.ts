import { expect } from "vitest"
import { expectProblem } from "../harness/problem.ts"

interface Line {
  row: number
  what: string
  status: string
  code: string
}

/** Of the file that runs: each test file has this module for itself. */
const lines: Line[] = []

/** Writes down what a case was answered with. */
export function note(row: number, what: string, status: number | string, code = ""): void {
  lines.push({ row, what, status: String(status), code })
}

/**
 * Writes down what a case was answered with, and expects this problem. One that is answered
 * otherwise does not keep the row's other cases from being tried.
 */
export async function expectRefused(
  row: number,
  what: string,
  response: Response,
  status: number,
  code: string,
): Promise<void> {
  const got = { status: response.status, code: await codeOf(response.clone()) }
  note(row, what, got.status, got.code)
  expect.soft({ what, ...got }).toEqual({ what, status, code })
  if (got.status === status && got.code === code) await expectProblem(response, status, code)
}

/** Writes down a case that is not refused, and expects its status. */
export function expectStatus(row: number, what: string, response: Response, status: number): void {
  note(row, what, response.status)
  expect.soft({ what, status: response.status }).toEqual({ what, status })
}

async function codeOf(response: Response): Promise<string> {
  try {
    const { code } = (await response.json()) as { code?: unknown }
    return typeof code === "string" ? code : "-"
  } catch {
    return "-"
  }
}

/** Prints a line per case, by row. */
export function printTable(): void {
  const widest = Math.max(0, ...lines.map(({ what }) => what.length))
  const text = lines
    .toSorted((a, b) => a.row - b.row)
    .map(({ row, what, status, code }) => {
      return `${String(row).padStart(3)}  ${what.padEnd(widest)}  ${status}  ${code}`.trimEnd()
    })
  process.stdout.write(`\n${text.join("\n")}\n`)
}
