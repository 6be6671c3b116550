import { expect, inject } from "vitest"
import { expectProblem } from "../harness/problem.ts"

interface Line {
  row: number
  what: string
  status: string
  code: string
}

/** Of the file that runs. */
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

/** Writes down how long a case took; run by `test:faults`, alone, it expects less than `maxMs`. */
export function expectWithin(row: number, what: string, tookMs: number, maxMs: number): void {
  note(row, `${what}, ms`, tookMs.toFixed(0))
  if (inject("load") === "alone") expect(tookMs).toBeLessThan(maxMs)
}

async function codeOf(response: Response): Promise<string> {
  try {
    const { code } = (await response.json()) as { code?: unknown }
    return typeof code === "string" ? code : "-"
  } catch {
    return "-"
  }
}

/** Prints a line per case of the file, by row, and begins the next file's table. */
export function printTable(): void {
  const widest = Math.max(0, ...lines.map(({ what }) => what.length))
  const text = lines
    .splice(0)
    .toSorted((a, b) => a.row - b.row)
    .map(({ row, what, status, code }) => {
      return `${String(row).padStart(3)}  ${what.padEnd(widest)}  ${status}  ${code}`.trimEnd()
    })
  process.stdout.write(`\n${text.join("\n")}\n`)
}
