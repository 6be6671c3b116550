import { afterAll, beforeEach, type RunnerTestSuite } from "vitest"
import { endFile } from "./at-end.ts"
import { checkEveryAnswer } from "./described.ts"
import { beginTestInLogs, logsOfTest } from "./logs.ts"

checkEveryAnswer()

beforeEach(({ task, onTestFailed }) => {
  beginTestInLogs()
  onTestFailed(() => showLogs(`"${task.name}" of ${task.file.name}`))
})
afterAll(endFile)
// Done before that, with the logs still there: what fails in a hook is no test's failure.
// oxlint-disable-next-line no-empty-pattern -- vitest reads from it that nothing is wanted
afterAll(({}, file) => {
  if (hasFailedHook(file)) showLogs(`the hooks of ${file.name}`)
})

function hasFailedHook(suite: RunnerTestSuite): boolean {
  const isFailed = suite.result?.state === "fail" && (suite.result.errors ?? []).length > 0
  return isFailed || suite.tasks.some((task) => task.type === "suite" && hasFailedHook(task))
}

function showLogs(during: string): void {
  const logs = logsOfTest()
  if (logs !== "") process.stderr.write(`\nWhile ${during} ran:\n${logs}`)
}
