import { mkdtemp, readFile } from "node:fs/promises"
import { join } from "node:path"
import { type Child, startChild } from "@gofermart/local-stack/child.ts"
import { ConfigError } from "@gofermart/shared/runtime/env.ts"
import { inject } from "vitest"
import { atFileEnd } from "./at-end.ts"
import { isNotTheApi } from "./described.ts"
import { forgetLog, lastLines, watchLog } from "./logs.ts"

/** Processes of a test file's own, which belong to one system. */
export interface Processes {
  /** Starts one, with settings of its own if need be. */
  start(entry: "api" | "worker", settings?: Record<string, string>): Promise<Child>
  /** Everything they have logged so far. */
  logs(): Promise<string>
  /** Stops those that have not ended yet. */
  stop(): Promise<void>
}

/**
 * Makes room for processes that share these settings. Those that are left are stopped when the file
 * has ended. Their logs stay until the run ends, for a test that fails after it has stopped them.
 */
export async function openProcesses(settings: Record<string, string>): Promise<Processes> {
  const folder = await mkdtemp(join(inject("folder"), "logs-"))
  const logFiles: string[] = []
  const started: Child[] = []
  const stop = async () => {
    await Promise.all(started.map((child) => child.stop()))
  }
  atFileEnd(async () => {
    await stop()
    logFiles.forEach(forgetLog)
  })
  return {
    async start(entry, own) {
      const logFile = join(folder, `${entry}-${logFiles.length}.log`)
      logFiles.push(logFile)
      try {
        const child = await startChild(entry, { ...settings, ...own }, logFile)
        watchLog(logFile)
        started.push(child)
        const { operatorsUrl } = child.details
        if (operatorsUrl !== undefined) isNotTheApi(operatorsUrl)
        return child
      } catch (error) {
        // What is wrong with a setting is in the error already.
        if (error instanceof Error && !(error instanceof ConfigError)) {
          error.message += `\n${lastLines(logFile)}`
        }
        throw error
      }
    },
    async logs() {
      const texts = await Promise.all(logFiles.map((file) => readFile(file, "utf8")))
      return texts.join("")
    },
    stop,
  }
}
