import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, openSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { build, builtPath } from "@gofermart/bundle/build.ts"
import { ConfigError, EXIT_CONFIG } from "@gofermart/shared/runtime/env.ts"
import { compileCacheEnv } from "./compile-cache.ts"

const repository = fileURLToPath(new URL("../../../", import.meta.url))

/** The system's processes. */
export type Entry = "api" | "worker" | "simulator"

/** Ten times what a busy machine takes: a process that cannot start ends by itself, and says why. */
const READY_TIMEOUT_MS = 120_000
/** More than any process takes that still can stop by itself. */
const STOP_TIMEOUT_MS = 30_000

export interface Child {
  pid: number
  /** What the process said when it was ready, such as its `url`. */
  details: Record<string, string>
  /** Resolves with the exit code, or null after a signal. */
  exited: Promise<number | null>
  kill(signal: NodeJS.Signals): void
  /** Asks the process to end, kills it when it does not, and resolves when it has. */
  stop(): Promise<number | null>
}

/** Starts one of the system's processes, as it is deployed; see `startProgram`. */
export async function startChild(
  entry: Entry,
  env: Record<string, string | undefined>,
  logFile: string,
): Promise<Child> {
  await build()
  return startProgram(builtPath(entry), env, logFile)
}

/**
 * Starts a program of this repository, named by its path in it, and resolves when it has announced
 * that it serves. Its output goes to `logFile`. It has nothing but `env`, the path and the compile
 * cache: a setting meant for one is no other's.
 *
 * It is in a process group of its own, so that Ctrl-C reaches only its parent, which then stops
 * everything in order; when the parent is gone, it stops by itself.
 */
export async function startProgram(
  program: string,
  env: Record<string, string | undefined>,
  logFile: string,
): Promise<Child> {
  const log = openSync(logFile, "w")
  const child = spawn(process.execPath, [program], {
    cwd: repository,
    env: { PATH: process.env["PATH"], ...compileCacheEnv(), ...env },
    stdio: ["ignore", log, log, "ipc"],
    detached: true,
  })
  closeSync(log)
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve))
  const details = await ready(child, exited, program, logFile)
  const stop = async () => {
    child.kill("SIGTERM")
    const killer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS)
    const code = await exited
    clearTimeout(killer)
    return code
  }
  return {
    pid: child.pid ?? 0,
    details,
    exited,
    kill: (signal) => void child.kill(signal),
    stop,
  }
}

async function ready(
  child: ChildProcess,
  exited: Promise<number | null>,
  program: string,
  logFile: string,
): Promise<Record<string, string>> {
  const said = new Promise<Record<string, string>>((resolve) => {
    child.once("message", (message) => resolve(message as Record<string, string>))
  })
  const timeout = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    timeout.reject(new Error(`${program} was not ready in ${READY_TIMEOUT_MS} ms; see ${logFile}`))
  }, READY_TIMEOUT_MS)
  const died = exited.then((code) => {
    const sentence = `${program} ended with ${code ?? "a signal"} at its start; see ${logFile}`
    if (code === EXIT_CONFIG) throw new ConfigError(`${sentence}\n${complaints(logFile)}`)
    throw new Error(sentence)
  })
  try {
    return await Promise.race([said, timeout.promise, died])
  } catch (error) {
    child.kill("SIGKILL")
    throw error
  } finally {
    clearTimeout(timer)
    died.catch(() => {})
  }
}

/** What it has said that is no line of its log. */
function complaints(logFile: string): string {
  const lines = readFileSync(logFile, "utf8").split("\n")
  return lines.filter((line) => line !== "" && !line.startsWith("{")).join("\n")
}
