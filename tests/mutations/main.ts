/**
 * What the tests notice: breaks the code in one place at a time, and records which test fails first.
 *
 * A list by hand, in plain words, because half of what it breaks are SQL functions, which no
 * mutation tool for TypeScript reaches; and because what a suite is to catch should stay the same
 * list while the suites are changed. And Stryker, which breaks all that it can of the pure parts.
 */

import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { mutations } from "./list/index.ts"
import { mutate, type Mutation } from "./mutation.ts"
import { caughtBy, readRecord, SURVIVES, type OrderWaiter, writeRecord } from "./record.ts"
import { type Failure, runTests } from "./run-tests.ts"
import { runStryker } from "./stryker.ts"
import { survivors } from "./survivors.ts"
import { type Suite, SUITES, type TestRun } from "./test-runs.ts"
import { copyCheckout } from "./working-copy.ts"

const HELP = `Breaks the code on purpose, in one place at a time, and records which tests notice.

  pnpm test:mutations [options] [part of a mutation's name …]

  --net NAME     list: those in tests/mutations/list; stryker: all of the pure parts, by units   (both)
  --suite NAME   of the list: only this suite: ${SUITES.join(", ")}; may be repeated   (all)
  --uncaught     of the list: only the mutations that no suite has caught so far
  --list         of the list: what is recorded, without running anything
  --help         this text

Of each suite only the files run that call what is broken. The checkout is copied to a temporary folder
and broken there. What is found goes to tests/mutations/caught.json, after each mutation. Ctrl-C ends it
early, once the tests under way have ended. Exits with 1 when a mutation is caught by a later suite than
is recorded, or no more; and when one survives of which tests/mutations/survivors.ts does not say why.
`

const repository = fileURLToPath(new URL("../../", import.meta.url))
const say = (line: string) => process.stdout.write(`${line}\n`)

const NETS = ["list", "stryker"]

interface Options {
  chosen: Mutation[]
  suites: Suite[]
  nets: string[]
}

const record = await readRecord()
/** Files that pass while nothing is broken. */
const passing = new Set<string>()
const options = readOptions()
if (options?.nets.includes("list") === true) process.exitCode = await run(options)
if (options?.nets.includes("stryker") === true) process.exitCode ||= await runOtherNet()

function readOptions(): Options | undefined {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      net: { type: "string", multiple: true, default: NETS },
      suite: { type: "string", multiple: true, default: [...SUITES] },
      uncaught: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  })
  if (values.help) {
    say(HELP)
    return undefined
  }
  const suites = SUITES.filter((suite) => values.suite.includes(suite))
  const chosen = mutations.filter(
    ({ name }) =>
      (positionals.length === 0 || positionals.some((part) => name.includes(part))) &&
      !(values.uncaught && caughtBy(record[name] ?? {}) !== undefined),
  )
  const isUnknown =
    suites.length < new Set(values.suite).size || values.net.some((net) => !NETS.includes(net))
  if (isUnknown || chosen.length === 0) {
    say(chosen.length === 0 ? "No mutation is chosen.\n" : HELP)
    process.exit(1)
  }
  if (values.list) {
    for (const { name } of chosen) say(lineOf(name, record[name] ?? {}))
    return undefined
  }
  return { chosen, suites, nets: positionals.length === 0 ? values.net : ["list"] }
}

async function runOtherNet(): Promise<number> {
  const copy = await copyCheckout(repository)
  try {
    return await runStryker(copy.checkout, say)
  } finally {
    await copy.remove()
  }
}

async function run({ chosen, suites }: Options): Promise<number> {
  // Before anything is run: a list that has fallen behind the code says so at once.
  for (const mutation of mutations) await mutate(repository, mutation)
  const stop = new AbortController()
  process.once("SIGINT", () => {
    say("\nstopping: the tests under way end first")
    stop.abort()
  })
  process.once("SIGTERM", () => stop.abort())
  const copy = await copyCheckout(repository)
  const test = (testRun: TestRun) =>
    runTests(copy.checkout, testRun, join(copy.folder, "vitest.log"), stop.signal)
  const lost: string[] = []
  try {
    for (const [i, mutation] of chosen.entries()) {
      const { name } = mutation
      const before = record[name] ?? {}
      const { path, original, mutated } = await mutate(repository, mutation)
      const file = join(copy.checkout, path)
      const begun = performance.now()
      const now: OrderWaiter = {}
      for (const testRun of mutation.runs.filter(({ suite }) => suites.includes(suite))) {
        await writeFile(file, mutated)
        const failure = await test(testRun)
        await writeFile(file, original)
        if (failure === undefined) {
          now[testRun.suite] = SURVIVES
          continue
        }
        await expectPassesUnbroken(test, testRun, failure)
        now[testRun.suite] = `${failure.file}: ${failure.test}`
        break
      }
      record[name] = { ...before, ...now }
      await writeRecord(mutations, record)
      if (isLost(before, now, suites)) lost.push(name)
      const seconds = Math.round((performance.now() - begun) / 1_000)
      say(`[${i + 1}/${chosen.length}] ${lineOf(name, now)} (${seconds} s)`)
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error
  } finally {
    await copy.remove()
  }
  return summarise(chosen, lost)
}

/** A test that fails anyhow has caught nothing. */
async function expectPassesUnbroken(
  test: (testRun: TestRun) => Promise<Failure | undefined>,
  testRun: TestRun,
  { file }: Failure,
): Promise<void> {
  const key = `${testRun.folder} ${file}`
  if (passing.has(key)) return
  const failure = await test({ ...testRun, files: [file] })
  if (failure !== undefined) throw new Error(`${key} fails with nothing broken: ${failure.test}`)
  passing.add(key)
}

/** Whether a suite that caught it before has run, and neither it nor an earlier one did now. */
function isLost(before: OrderWaiter, now: OrderWaiter, suites: Suite[]): boolean {
  const suite = caughtBy(before)
  if (suite === undefined || !suites.includes(suite)) return false
  const suiteNow = caughtBy(now)
  return suiteNow === undefined || SUITES.indexOf(suiteNow) > SUITES.indexOf(suite)
}

function summarise(chosen: Mutation[], lost: string[]): number {
  say("")
  for (const suite of SUITES) {
    const caught = chosen.filter(({ name }) => caughtBy(record[name] ?? {}) === suite)
    say(`first caught by ${suite}: ${caught.length}`)
  }
  const uncaught = chosen.filter(({ name }) => caughtBy(record[name] ?? {}) === undefined)
  const surviving = uncaught.filter(({ name }) =>
    SUITES.some((s) => record[name]?.[s] === SURVIVES),
  )
  say(`not run at all: ${uncaught.length - surviving.length}`)
  say(`surviving what has run: ${surviving.length}`)
  const unexplained = surviving.filter(({ name }) => !(name in survivors))
  for (const { name } of surviving) say(`  ${lineOf(name, record[name] ?? {})}`)
  for (const { name } of unexplained) say(`survivors.ts does not say why: ${name}`)
  for (const name of lost) say(`no longer caught as early as before: ${name}`)
  return lost.length + unexplained.length === 0 ? 0 : 1
}

function lineOf(name: string, verdicts: OrderWaiter): string {
  const told = Object.entries(verdicts).map(([suite, verdict]) => `${suite}: ${verdict}`)
  return `${name} | ${told.join(" | ") || "not run"}`
}
