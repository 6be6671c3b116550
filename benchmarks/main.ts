import { parseArgs } from "node:util"
import { SingleBar } from "cli-progress"
import { CutShortError, type Extent, Fixture } from "./fixtures/fixture.ts"
import { isReached, ratioText, sideText, targetText } from "./report/format.ts"
import { circumstances, readResults, type ScenarioResult, writeResults } from "./report/results.ts"
import { scenarios } from "./scenarios/index.ts"
import type { Row, Scenario } from "./scenarios/scenario.ts"

const ORDINARY = { rounds: 10, seconds: 3 }
const QUICK = { rounds: 2, seconds: 0.5 }

const HELP = `Measures speed as ratios: things that are compared run side by side, ${ORDINARY.rounds} times in turn.

  pnpm bench [options] [scenario …]

  --quick    ${QUICK.rounds} rounds of ${QUICK.seconds} s instead of ${ORDINARY.rounds} of ${ORDINARY.seconds} s: to see that it works
  --long     the scenarios that take long; what an earlier run has measured is not measured again
  --again    with --long: measure all of it again
  --help     this text

Scenarios:
${scenarios.map(({ name, about, isLong }) => `  ${name.padEnd(16)}${about}${isLong ? " (long)" : ""}`).join("\n")}

It starts everything that it needs on this machine and ends it. Results and a plot of them go to
benchmarks/results, which git ignores. Ctrl-C ends it early; what is not measured by then is said to be
cut short.
`

const HEADINGS = ["row", "of", "ratio to", "median [quartiles]", "to reach", ""]

const say = (line: string) => process.stdout.write(`${line}\n`)

interface Options {
  chosen: Scenario[]
  extent: Extent
  /** Of the files that the results are kept in. */
  name: string
  keepsEarlier: boolean
}

const options = readOptions()
if (options === undefined) say(HELP)
else process.exitCode = await bench(options)

function readOptions(): Options | undefined {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      long: { type: "boolean", default: false },
      again: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  })
  if (values.help) return undefined
  const unknown = positionals.filter((name) => !scenarios.some((known) => known.name === name))
  if (unknown.length > 0) {
    say(`There is no scenario ${unknown.join(", ")}.\n\n${HELP}`)
    process.exit(1)
  }
  const isChosen = ({ name, isLong }: Scenario) =>
    positionals.length > 0 ? positionals.includes(name) : isLong === values.long
  return {
    chosen: scenarios.filter(isChosen),
    extent: values.quick ? QUICK : ORDINARY,
    name: values.quick ? "quick" : values.long ? "long" : "ordinary",
    keepsEarlier: values.long && !values.again,
  }
}

async function bench({ chosen, extent, name, keepsEarlier }: Options): Promise<number> {
  const earlier = await readResults(name)
  const measured = (scenario: Scenario) =>
    keepsEarlier &&
    earlier.some((it) => it.scenario === scenario.name && it.withoutFigures === undefined)
  let results = earlier.filter(({ scenario }) => scenarios.some((it) => it.name === scenario))
  const bar = new SingleBar({
    format: "[{bar}] {percentage} %  {scenario}: {now}",
    noTTYOutput: true,
    notTTYSchedule: 15_000,
  })
  bar.start(chosen.length, 0, { scenario: "", now: "starting PostgreSQL" })
  let number = 0
  const fixture = await Fixture.open(extent, (done, of, now) =>
    bar.update(number + done / of, { scenario: chosen[number]?.name, now }),
  )
  const cut = () => fixture.cutShort()
  process.once("SIGINT", cut).once("SIGTERM", cut)
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
  return summarise(shown)
}

async function measure(scenario: Scenario, fixture: Fixture): Promise<ScenarioResult> {
  const about = { scenario: scenario.name, ...fixture.extent, ...circumstances() }
  try {
    const { rows, runs } = await scenario.measure(fixture)
    return { ...about, rows, sides: [...runs].map(([side, done]) => ({ side, runs: done })) }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const withoutFigures = error instanceof CutShortError ? "cut short" : `failed: ${reason}`
    return { ...about, withoutFigures, rows: [], sides: [] }
  } finally {
    await fixture.endScope()
  }
}

/** Prints the table; gives the exit code. A target that is not reached is not a failure. */
function summarise(results: ScenarioResult[]): number {
  const lines = results.flatMap(({ scenario, withoutFigures, rows }) =>
    withoutFigures === undefined ? rows.map(cellsOf) : [[scenario, withoutFigures]],
  )
  const now = circumstances()
  const widths = HEADINGS.map((_heading, i) =>
    Math.max(...[HEADINGS, ...lines].map((cells) => cells[i]?.length ?? 0)),
  )
  say("")
  for (const cells of [HEADINGS, ...lines]) {
    say(cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  "))
  }
  for (const { scenario, commit, measuredAt } of results) {
    if (commit !== now.commit) say(`  ${scenario} was measured on ${measuredAt}, at ${commit}.`)
  }
  say("\nMedian rates, and CPU time of an operation by part:")
  for (const { scenario, sides } of results) {
    for (const { side, runs } of sides) say(`  ${scenario}: ${side}: ${sideText(runs)}`)
  }
  return results.some(({ withoutFigures }) => withoutFigures !== undefined) ? 1 : 0
}

function cellsOf(row: Row): string[] {
  const reached = isReached(row)
  const verdict = reached === undefined ? "" : reached ? "reached" : "NOT reached"
  return [row.row, row.what, row.to, ratioText(row), targetText(row), verdict]
}
