import { fork } from "node:child_process"
import { closeSync, openSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { TestRun } from "./test-runs.ts"

/** What failed, by the path of its file in the run's folder. */
export interface Failure {
  file: string
  test: string
}

export interface Result {
  first?: Failure
}

const runner = fileURLToPath(new URL("runner.ts", import.meta.url))
const RUN_MAX_MS = 20 * 60_000
/** More than the longest test. */
const STOP_TIMEOUT_MS = 5 * 60_000
const LOG_SHOWN_CHARACTERS = 3_000

/**
 * Runs the files until one fails, and gives the first failure; undefined when all pass. Throws when
 * the tests could not be run, and when they were cut short by `stop`.
 */
export async function runTests(
  checkout: string,
  { suite, folder, config, files }: TestRun,
  logFile: string,
  stop: AbortSignal,
): Promise<Failure | undefined> {
  const root = join(checkout, folder)
  const log = openSync(logFile, "w")
  // In a process group of its own, so that Ctrl-C reaches only its parent, which then lets it end.
  // Units are quick; and cut short, vitest may not tell what failed.
  const bail = suite === "unit" ? 0 : 1
  const child = fork(runner, [JSON.stringify({ root, config, files, bail })], {
    cwd: root,
    detached: true,
    stdio: ["ignore", log, log, "ipc"],
  })
  closeSync(log)
  let result: Result | undefined
  child.once("message", (message) => (result = message as Result))
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  const tooLong = AbortSignal.timeout(RUN_MAX_MS)
  const over = AbortSignal.any([stop, tooLong])
  let killer: NodeJS.Timeout | undefined
  const end = () => {
    if (child.connected) child.disconnect()
    killer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS)
  }
  if (over.aborted) end()
  else over.addEventListener("abort", end, { once: true })
  await exited
  clearTimeout(killer)
  over.removeEventListener("abort", end)
  stop.throwIfAborted()
  if (tooLong.aborted) throw new Error(`${files.join(", ")}: not done in ${RUN_MAX_MS} ms`)
  if (result === undefined) {
    const said = (await readFile(logFile, "utf8")).slice(-LOG_SHOWN_CHARACTERS)
    throw new Error(`${files.join(", ")}: the tests could not be run\n${said}`)
  }
  return result.first
}
