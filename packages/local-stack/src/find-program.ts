import { execFile } from "node:child_process"
import { promisify } from "node:util"

const run = promisify(execFile)

export const REDIS_SERVERS = ["redis-server", "valkey-server"]

/** Resolves with the path of the first of these programs that is on the PATH. */
export async function findProgram(names: string[]): Promise<string | undefined> {
  for (const name of names) {
    const found = await run("sh", ["-c", `command -v ${name}`]).catch(() => undefined)
    if (found !== undefined) return found.stdout.trim()
  }
  return undefined
}
