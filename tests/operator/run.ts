import { type ChildProcess, execFile } from "node:child_process"
import { join } from "node:path"
import { builtPath } from "@gofermart/bundle/build.ts"
import { compileCacheEnv } from "@gofermart/local-stack/compile-cache.ts"
import type { System } from "../harness/system.ts"

const PROGRAM = join(import.meta.dirname, "../..", builtPath("gofermart"))
const TIMEOUT_MS = 60_000
/** See pipe(7). */
const PIPE_BYTES = 65_536

export interface Ended {
  code: number
  /** What it wrote to its standard output, and then what to its standard error. */
  said: string
}

/** Runs one of the operators' commands, as an operator of the system would. */
export function operate(system: System, ...args: string[]): Promise<Ended> {
  return runProgram({ DATABASE_URL: system.database.url, QUEUE_URL: system.queueUrl }, args)
}

/** Runs the operators' program with nothing but these settings. */
export function runProgram(env: Record<string, string>, args: string[]): Promise<Ended> {
  return startProgram(env, args).ended
}

/** The same, for a test that interferes with it while it runs. */
export function startProgram(
  env: Record<string, string>,
  args: string[],
): { child: ChildProcess; ended: Promise<Ended> } {
  const { child, ended } = start(env, args)
  return {
    child,
    ended: ended.then(({ code, printed, complained }) => ({ code, said: printed + complained })),
  }
}

/** The same, with what it printed apart from what it wrote to its standard error. */
export function runSplit(env: Record<string, string>, args: string[]): Promise<Split> {
  return start(env, args).ended
}

/**
 * Runs it with its standard output in a pipe in which hardly anything has room, until `reader`, a
 * shell command, reads it.
 */
export function runIntoFullPipe(args: string[], reader: string): Promise<Split> {
  const program = [process.execPath, PROGRAM, ...args].map((arg) => `'${arg}'`).join(" ")
  const fill = `head -c ${PIPE_BYTES - 100} /dev/zero | tr '\\0' ' '`
  const line = `{ ${fill}; ${program}; } | { ${reader}; }; exit \${PIPESTATUS[0]}`
  return execute("bash", ["-c", line]).ended
}

interface Split {
  code: number
  printed: string
  complained: string
}

function start(env: Record<string, string>, args: string[]) {
  return execute(process.execPath, [PROGRAM, ...args], env)
}

function execute(program: string, args: string[], env: Record<string, string> = {}) {
  const { promise: ended, resolve } = Promise.withResolvers<Split>()
  const options = {
    env: { PATH: process.env["PATH"], ...compileCacheEnv(), ...env },
    timeout: TIMEOUT_MS,
  }
  const child = execFile(program, args, options, (error, printed, complained) => {
    resolve({ code: error === null ? 0 : Number(error.code ?? -1), printed, complained })
  })
  return { child, ended }
}
