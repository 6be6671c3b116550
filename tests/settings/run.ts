import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { compileCacheEnv } from "@gofermart/local-stack/compile-cache.ts"
import { eventually } from "../harness/eventually.ts"

const repository = fileURLToPath(new URL("../../", import.meta.url))

interface Run {
  code: number | null
  printed: string
  complained: string
}

export interface Started {
  ended: Promise<Run>
  /** Resolves when the process has printed it, and fails when it ends before. */
  prints(text: string): Promise<true>
  /** What its log says where it serves; a worker serves only operators. */
  details(): { url: string; operatorsUrl: string }
  kill(): void
}

/** Starts a program of this repository with nothing but these settings. */
export function start(program: string, env: Record<string, string>, args: string[] = []): Started {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: repository,
    env: { PATH: process.env["PATH"], ...compileCacheEnv(), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  })
  let printed = ""
  let complained = ""
  child.stdout.on("data", (text: Buffer) => (printed += text.toString()))
  child.stderr.on("data", (text: Buffer) => (complained += text.toString()))
  const ended = once(child, "close").then(() => ({ code: child.exitCode, printed, complained }))
  return {
    ended,
    prints: (text) =>
      eventually(`it prints ${text}`, () => {
        if (child.exitCode !== null) throw new Error(`it ended: ${printed}${complained}`)
        return Promise.resolve(printed.includes(text))
      }),
    details: () => {
      const line = printed.split("\n").find((text) => text.includes('"operatorsUrl":')) ?? "{}"
      return JSON.parse(line) as ReturnType<Started["details"]>
    },
    kill: () => void child.kill("SIGKILL"),
  }
}

/** Where a stack trace is, there is a line like this. */
export const STACK = /^\s+at .*(node:|\.ts|\.js)/m
