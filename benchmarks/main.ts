import { onReaderGone } from "@gofermart/shared/runtime/exit.ts"
import { reasonOf } from "@gofermart/shared/runtime/reason-of.ts"
import { SingleBar } from "cli-progress"
import { Fixture } from "./fixtures/fixture.ts"
import { CutShortError, type Report, untilSignal } from "./measure/progress.ts"
import { type BenchOptions, HELP, type PeersOptions, readOptions, UsageError } from "./options.ts"
import { comparePeers } from "./peers.ts"
import { whatMoved } from "./report/documented.ts"
import { circumstances, readResults, type ScenarioResult, writeResults } from "./report/results.ts"
import { cellsOf, sidesOf, tableOf } from "./report/table.ts"
import { scenarios } from "./scenarios/index.ts"
import type { Scenario } from "./scenarios/scenario.ts"

const say = (line: string) => process.stdout.write(`${line}\n`)

// Ended as by a signal, once: a second one would leave behind what was started.
let isReaderGone = false
onReaderGone(() => {
  if (!isReaderGone) process.kill(process.pid, "SIGTERM")
  isReaderGone = true
})
try {
  const options = readOptions(process.argv.slice(2))
  if (options === undefined) say(HELP)
  else process.exitCode = options.command === "peers" ? await peers(options) : await bench(options)
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`${error.message}\nSee pnpm bench --help.\n`)
  process.exitCode = 2
}

async function peers(options: PeersOptions): Promise<number> {
  const bar = progressBar()
  bar.start(1, 0, { now: "" })
  const report = untilSignal((done, of, now) => bar.update(done / of, { now }))
  try {
    const { rows, runs } = await comparePeers(options, report).finally(() => bar.stop())
    for (const line of ["", ...tableOf(rows.map(cellsOf)), "", ...sidesOf(runs)]) say(line)
    return 0
  } catch (error) {
    process.stderr.write(`${reasonOf(error)}\n`)
    return 1
  }
}

async function bench({ chosen, extent, name, keepsEarlier }: BenchOptions): Promise<number> {
  const earlier = await readResults(name)
  const measured = (scenario: Scenario) =>
    keepsEarlier &&
    earlier.some((it) => it.scenario === scenario.name && it.withoutFigures === undefined)
  let results = earlier.filter(({ scenario }) => scenarios.some((it) => it.name === scenario))
  const bar = progressBar()
  bar.start(chosen.length, 0, { now: "starting PostgreSQL" })
  let number = 0
  const report: Report = untilSignal((done, of, now) =>
    bar.update(number + done / of, { now: `${chosen[number]?.name}: ${now}` }),
  )
  const fixture = await Fixture.open(extent, report)
  try {
    for (const scenario of chosen) {
      if (!measured(scenario)) {
        const result = await measure(scenario, fixture)
        results = [...results.filter((it) => it.scenario !== scenario.name), result]
        await writeResults(name, results)
      }
      number += 1
    }
  } finally {
    bar.stop()
    await fixture.close()
  }
  const shown = results.filter(({ scenario }) => chosen.some((it) => it.name === scenario))
  if (name === "quick") tellWhatMoved(shown)
  return summarise(shown)
}

function progressBar(): SingleBar {
  return new SingleBar({
    format: "[{bar}] {percentage} %  {now}",
    noTTYOutput: true,
    notTTYSchedule: 15_000,
  })
}

async function measure(scenario: Scenario, fixture: Fixture): Promise<ScenarioResult> {
  const about = { scenario: scenario.name, ...fixture.extent, ...circumstances() }
  try {
    const { rows, runs } = await scenario.measure(fixture)
    return { ...about, rows, sides: [...runs].map(([side, done]) => ({ side, runs: done })) }
  } catch (error) {
    const withoutFigures =
      error instanceof CutShortError ? "cut short" : `failed: ${reasonOf(error)}`
    return { ...about, withoutFigures, rows: [], sides: [] }
  } finally {
    await fixture.endScope()
  }
}

/** Of a run that is too short to tell more; nothing of it is a failure. */
function tellWhatMoved(results: ScenarioResult[]): void {
  const moved = whatMoved(results.flatMap(({ rows }) => rows))
  say("\nBeyond its noise, beside docs/PERFORMANCE.md:")
  for (const line of moved.length === 0 ? ["nothing"] : moved) say(`  ${line}`)
}

/** Prints the table; gives the exit code. A target that is not reached is not a failure. */
function summarise(results: ScenarioResult[]): number {
  const lines = results.flatMap(({ scenario, withoutFigures, rows }) =>
    withoutFigures === undefined ? rows.map(cellsOf) : [[scenario, withoutFigures]],
  )
  const now = circumstances()
  for (const line of ["", ...tableOf(lines)]) say(line)
  for (const { scenario, commit, measuredAt } of results) {
    if (commit !== now.commit) say(`  ${scenario} was measured on ${measuredAt}, at ${commit}.`)
  }
  say("\nMedian rates, latencies, and CPU time of an operation by part:")
  for (const { scenario, sides } of results) {
    for (const line of sidesOf(sides.map(({ side, runs }) => [`${scenario}: ${side}`, runs]))) {
      say(line)
    }
  }
  return results.some(({ withoutFigures }) => withoutFigures !== undefined) ? 1 : 0
}
