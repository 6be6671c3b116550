import { readFileSync, statSync } from "node:fs"
import { basename } from "node:path"
import { levels } from "pino"

/** The last lines of each process that a failed test shows. */
const LINES_MAX = 20

/** The logs of the processes that the test file uses, with their bytes when the test began. */
const watched = new Map<string, number>()

/** Counts a process among those whose lines a failed test of this file shows. */
export function watchLog(file: string): void {
  watched.set(file, 0)
}

export function forgetLog(file: string): void {
  watched.delete(file)
}

/** What was logged before is no more a failed test's. */
export function beginTestInLogs(): void {
  for (const file of watched.keys()) watched.set(file, statSync(file).size)
}

/** What each process has logged since the test began. */
export function logsOfTest(): string {
  return [...watched].map(([file, bytes]) => lastLines(file, bytes)).join("")
}

/** The last lines of a log, under its name; nothing when there are none. */
export function lastLines(file: string, fromByte = 0): string {
  const text = readFileSync(file).subarray(fromByte).toString().trimEnd()
  if (text === "") return ""
  const lines = text.split("\n")
  const shown = lines.slice(-LINES_MAX).map(readable)
  return `${basename(file)}, the last ${shown.length} of ${lines.length} lines:\n${shown.join("\n")}\n`
}

interface Line {
  level: number
  time: number
  msg: string
  err?: { stack?: string }
}

/** A line of JSON as a person reads it, with the stack of our own files; any other as it is. */
function readable(line: string): string {
  let parsed: Line
  try {
    parsed = JSON.parse(line) as Line
  } catch {
    return line
  }
  const { level, time, msg, err, ...rest } = parsed
  const at = new Date(time).toISOString().slice(11)
  const stack = err?.stack?.split("\n").filter((frame) => !/node_modules|\(node:/.test(frame)) ?? []
  const head = `${at} ${levels.labels[level]} ${msg} ${JSON.stringify(rest)}`
  return [head, ...stack].join("\n    ")
}
