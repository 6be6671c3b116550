/**
 * Runs test files and tells its parent, `run-tests.ts`, what failed first. When the parent is gone it
 * lets the tests under way end, and stops what they have started: vitest itself, told to stop by a
 * signal, leaves its servers running.
 */

import { createVitest, type TestModule } from "vitest/node"
import type { Failure, Result } from "./run-tests.ts"

const { root, config, files, bail } = JSON.parse(process.argv[2] ?? "") as {
  root: string
  config?: string
  files: string[]
  bail: number
}
const vitest = await createVitest("test", {
  root,
  ...(config === undefined ? {} : { config }),
  watch: false,
  bail,
})
process.once("disconnect", () => void vitest.cancelCurrentRun("keyboard-input"))
const failures: (Failure & { endedAt: number })[] = []
try {
  if (!process.connected) throw new Error("the parent is gone")
  for (const file of files) {
    const found = await vitest.globTestSpecifications([file])
    if (found.length === 0) throw new Error(`no test file matches ${file}`)
  }
  const { testModules, unhandledErrors } = await vitest.start(files)
  for (const module of testModules) failures.push(...failuresOf(module))
  // Vitest's own word counts: what it does not call a success must not pass for one.
  if (failures.length === 0 && process.exitCode !== undefined && process.exitCode !== 0) {
    throw new Error("no test failed, but the run did", { cause: unhandledErrors[0] })
  }
} finally {
  await vitest.close()
}
const [first] = failures.toSorted((a, b) => a.endedAt - b.endedAt)
const result: Result = first === undefined ? {} : { first: { file: first.file, test: first.test } }
if (process.connected) process.send?.(result, () => process.exit(0))

function failuresOf(module: TestModule) {
  const file = module.relativeModuleId
  const tests = [...module.children.allTests("failed")].map((test) => {
    const { startTime = 0, duration = 0 } = test.diagnostic() ?? {}
    return { file, test: test.fullName, endedAt: startTime + duration }
  })
  if (tests.length > 0 || module.state() !== "failed") return tests
  // In a hook, or while the file was loaded; or the run ended before the test's result was told.
  const errors = [module, ...module.children.allSuites()].flatMap((part) => part.errors())
  const [message = ""] = errors[0]?.message.split("\n") ?? []
  return [{ file, test: `outside of its tests: ${message}`, endedAt: Infinity }]
}
