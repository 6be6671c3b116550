/**
 * The other net: Stryker makes every small change it knows to the pure parts, and the units are to
 * notice. Where they do not, `survivors.ts` says why.
 */

import { execFile } from "node:child_process"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { survivors } from "./survivors.ts"

const run = promisify(execFile)

/** Of all mutants, that the units notice at the least. */
const KILLED_PART_MIN = 0.9
const RUN_MAX_MS = 60 * 60_000
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024

/** Pure: what they do is what they return. */
const MUTATED = [
  "packages/shared/src/domain/{accrual-status,order-number,points}.ts",
  "packages/scoring-client/src/{answer,rate-limit,retry-after}.ts",
  "services/accrual-worker/src/pacing/{allowance,known-pause,learned-limit,outage,outage-changes}.ts",
  "services/accrual-worker/src/pacing/{pace-changes,pace-columns,schedule,snapshot,tally}.ts",
  "services/accrual-worker/src/settlement/{decide,delays}.ts",
]

const REPORT = "mutants.json"

const CONFIG = {
  mutate: MUTATED,
  // In a copy of the checkout: its packages link to each other.
  inPlace: true,
  testRunner: "vitest",
  plugins: ["@stryker-mutator/vitest-runner"],
  vitest: { configFile: "tests/mutations/stryker.vitest.config.ts", dir: "." },
  // Of TypeScript 7 it knows nothing, and it needs none: no file of this name is there to be read.
  tsconfigFile: "no-tsconfig.json",
  reporters: ["json", "progress-append-only"],
  jsonReporter: { fileName: REPORT },
  allowEmpty: false,
  concurrency: 2,
}

interface Report {
  files: Record<string, { source: string; mutants: Mutant[] }>
}

interface Mutant {
  status: string
  replacement?: string
  location: { start: Position; end: Position }
}

interface Position {
  line: number
  column: number
}

/** What is broken on purpose in the checkout stays so: it must be a copy. Resolves with the exit code. */
export async function runStryker(checkout: string, say: (line: string) => void): Promise<number> {
  await writeFile(join(checkout, "stryker.config.json"), JSON.stringify(CONFIG))
  const cli = join(checkout, "node_modules/@stryker-mutator/core/bin/stryker.js")
  const options = { cwd: checkout, timeout: RUN_MAX_MS, maxBuffer: OUTPUT_BYTES_MAX }
  await run(process.execPath, [cli, "run"], options)
  const report = JSON.parse(await readFile(join(checkout, REPORT), "utf8")) as Report
  return judge(report, say)
}

function judge({ files }: Report, say: (line: string) => void): number {
  const isNoticed = ({ status }: Mutant) => status === "Killed" || status === "Timeout"
  const isLeft = ({ status }: Mutant) => status === "Survived" || status === "NoCoverage"
  const found: string[] = []
  let all = 0
  for (const [file, { source, mutants }] of Object.entries(files)) {
    const tried = mutants.filter((mutant) => isNoticed(mutant) || isLeft(mutant))
    const left = tried.filter(isLeft)
    all += tried.length
    say(`${file}: ${tried.length - left.length} of ${tried.length} mutants noticed`)
    found.push(...left.map((mutant) => `${file}: ${describe(mutant, source)}`))
  }
  const unexplained = found.filter((mutant) => !(mutant in survivors))
  const isOfFile = (mutant: string) => Object.keys(files).some((f) => mutant.startsWith(`${f}: `))
  const gone = Object.keys(survivors).filter((key) => isOfFile(key) && !found.includes(key))
  for (const mutant of unexplained) say(`survives, and survivors.ts does not say why: ${mutant}`)
  for (const mutant of gone) say(`no longer survives, as survivors.ts says: ${mutant}`)
  const part = 1 - found.length / all
  say(`${(100 * part).toFixed(1)} % of ${all} mutants noticed`)
  return part >= KILLED_PART_MIN && unexplained.length + gone.length === 0 ? 0 : 1
}

/** As it stands in `survivors.ts`: the line before, and what of it was replaced by what. */
function describe({ location: { start, end }, replacement = "" }: Mutant, source: string): string {
  const lines = source.split("\n").slice(start.line - 1, end.line)
  const last = lines.length - 1
  const text = lines
    .map((line, i) =>
      line.slice(i === 0 ? start.column - 1 : 0, i === last ? end.column - 1 : line.length),
    )
    .join("\n")
  return `${oneLine(text)} → ${oneLine(replacement)}`
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim()
}
