import { execFileSync } from "node:child_process"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { cpus, totalmem } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Run } from "../measure/rounds.ts"
import type { Row } from "../scenarios/scenario.ts"
import { plot } from "./plot.ts"

/** What a result depends on. */
const MEASURED = ["services", "packages", "prisma", "benchmarks", "pnpm-lock.yaml"]
/** Git ignores it: a run's figures are those of the machine that it ran on. */
const folder = fileURLToPath(new URL("../results/", import.meta.url))

/** What a scenario came to: its figures, or why there are none. */
export interface ScenarioResult {
  scenario: string
  rounds: number
  /** Of one run of one side. */
  seconds: number
  /** What was measured, and on what. */
  commit: string
  measuredAt: string
  machine: string
  withoutFigures?: string
  rows: Row[]
  sides: { side: string; runs: Run[] }[]
}

export function circumstances(): Pick<ScenarioResult, "commit" | "measuredAt" | "machine"> {
  const gibibytes = Math.round(totalmem() / 2 ** 30)
  return {
    commit: commit(),
    measuredAt: new Date().toISOString(),
    machine: `${cpus().length} × ${cpus()[0]?.model ?? "?"}, ${gibibytes} GiB, ${process.platform}, Node ${process.versions.node}`,
  }
}

/** What an earlier run has kept under this name; nothing when there was none. */
export async function readResults(name: string): Promise<ScenarioResult[]> {
  const text = await readFile(join(folder, `${name}.json`), "utf8").catch(() => "[]")
  return JSON.parse(text) as ScenarioResult[]
}

/** Keeps the results as JSON, and a plot of them. */
export async function writeResults(name: string, results: ScenarioResult[]): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, `${name}.json`), `${JSON.stringify(results, undefined, 1)}\n`)
  await writeFile(join(folder, `${name}.svg`), plot(results.flatMap(({ rows }) => rows)))
}

function commit(): string {
  try {
    const git = (...args: string[]) => execFileSync("git", args, { encoding: "utf8" }).trim()
    const isChanged = git("status", "--porcelain", ...MEASURED) !== ""
    return git("rev-parse", "--short", "HEAD") + (isChanged ? ", with changes" : "")
  } catch {
    return "unknown"
  }
}
