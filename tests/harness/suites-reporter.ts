import { execFileSync } from "node:child_process"
import { statSync } from "node:fs"
import { join, relative, sep } from "node:path"
import type { Reporter, TestModule, TestSpecification, Vitest } from "vitest/node"
import { findMissing, installCommand, type Missing } from "./missing-programs.ts"

const repository = join(import.meta.dirname, "../..")
const SLOWEST_FILES = 10
const LIST_FILES = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]

interface Timed {
  /** The package, or the folder of `tests/`. */
  suite: string
  file: string
  tests: number
  seconds: number
}

/**
 * Says before the run and in its last line what does not run for want of a program; and between them
 * how long each suite took, and the slowest files.
 */
export default class SuitesReporter implements Reporter {
  #print: (text: string) => void = () => {}
  #missing: Missing[] = []

  readonly #begun = Date.now()

  onInit(vitest: Vitest): void {
    this.#print = (text) => vitest.logger.log(text)
  }

  async onTestRunStart(specifications: readonly TestSpecification[]): Promise<void> {
    const files = specifications.map(({ moduleId }) => moduleId)
    this.#missing = await findMissing(files)
    if (this.#missing.length === 0) return
    for (const { what, files: without } of this.#missing) {
      this.#print(`Does not run, because there is no ${what} on the PATH: what needs it in`)
      for (const file of without) this.#print(`  ${relative(repository, file)}`)
    }
    this.#print(`${this.#remedy()}\n`)
    if ((process.env["EVERY_TEST_MUST_RUN"] ?? "") !== "") {
      throw new Error(`EVERY_TEST_MUST_RUN is set, and not every test can. ${this.#remedy()}`)
    }
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    if (modules.length > 1) this.#printTimes(modules.map(timed))
    for (const module of modules.filter((one) => one.state() === "failed")) {
      this.#print(`\nAgain: ${commandFor(relative(repository, module.moduleId))}`)
    }
    if (process.env["TURBO_HASH"] !== undefined) this.#expectSameFiles()
    if (this.#missing.length === 0) return
    const parts = this.#missing.map(({ what, files }) => `${what} (test files: ${files.length})`)
    this.#print(`\nNot run: what needs ${parts.join(" and ")}. ${this.#remedy()}`)
  }

  /** turbo remembers a success for the files as they were before the run. */
  #expectSameFiles(): void {
    const listed = execFileSync("git", LIST_FILES, { cwd: repository, encoding: "utf8" })
    const isChanged = (file: string) => {
      const stat = statSync(join(repository, file), { throwIfNoEntry: false })
      return (stat?.ctimeMs ?? 0) > this.#begun
    }
    const changed = listed.split("\0").filter((file) => file !== "" && isChanged(file))
    if (changed.length === 0) return
    this.#print(`\nChanged while the tests ran, which may have seen either: ${changed.join(", ")}`)
    process.exitCode = 1
  }

  #printTimes(files: Timed[]): void {
    this.#print("\n   files  tests  seconds  suite")
    for (const [suite, own] of Map.groupBy(files, (file) => file.suite)) {
      const tests = sum(own.map((file) => file.tests))
      const seconds = sum(own.map((file) => file.seconds))
      this.#print(`${cell(own.length, 8)}${cell(tests, 7)}${cell(seconds.toFixed(1), 9)}  ${suite}`)
    }
    this.#print("The seconds are those of the files, of which several run at once. The slowest:")
    const slowest = files.toSorted((a, b) => b.seconds - a.seconds).slice(0, SLOWEST_FILES)
    for (const { file, seconds } of slowest) this.#print(`${cell(seconds.toFixed(1), 24)}  ${file}`)
  }

  #remedy(): string {
    return `To run it too: ${installCommand(this.#missing)}`
  }
}

/** Runs the one file, a path in the repository. */
function commandFor(file: string): string {
  const [root, suite] = file.split(sep)
  const name = file.replace(/^tests./, "").replace(/\.test\.ts$/, "")
  const isSystem = root === "tests" && suite !== "static"
  const isLong = suite === "faults" || suite === "operations"
  return `npx -y pnpm@12 ${isSystem ? (isLong ? "test:faults" : "system") : "unit"} ${name}`
}

function timed(module: TestModule): Timed {
  const file = relative(repository, module.moduleId)
  const { setupDuration, collectDuration, duration } = module.diagnostic()
  return {
    suite: file.split(sep).slice(0, 2).join("/"),
    file,
    tests: [...module.children.allTests()].length,
    seconds: (setupDuration + collectDuration + duration) / 1_000,
  }
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

function cell(value: number | string, width: number): string {
  return String(value).padStart(width)
}
