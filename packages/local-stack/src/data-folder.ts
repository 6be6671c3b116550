import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** Everything the local stack keeps: the database, the simulator's orders, keys and logs. */
export const dataFolder =
  process.env["GOFERMART_DATA"] ?? fileURLToPath(new URL("../../../.data/", import.meta.url))
export const logsFolder = join(dataFolder, "logs")

const KEY_BYTES = 32
const keysFile = join(dataFolder, "auth-keys")
const lockFile = join(dataFolder, "lock")
const LOCK_ATTEMPTS_MAX = 3
const runningFile = join(dataFolder, "running.json")

/** What `demo` and the operators' commands need to know of the running stack. Holds passwords. */
export interface Running {
  pid: number
  apiUrl: string
  scoringUrl: string
  simulated: boolean
  databaseUrl: string
  queueUrl: string
}

/**
 * Makes this process the only one that runs a stack from the folder, until it ends. Throws when
 * another one does.
 */
export async function lockDataFolder(): Promise<void> {
  await mkdir(logsFolder, { recursive: true, mode: 0o700 })
  for (let attempt = 1; ; attempt++) {
    try {
      await writeFile(lockFile, String(process.pid), { flag: "wx" })
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
      const pid = Number(await readFile(lockFile, "utf8").catch(() => "0"))
      if (isStart(pid) || attempt === LOCK_ATTEMPTS_MAX) {
        throw new Error(`Gofermart runs from this folder already, as process ${pid}.`, {
          cause: error,
        })
      }
      // Its owner was killed.
      await rm(lockFile, { force: true })
    }
  }
}

export async function unlockDataFolder(): Promise<void> {
  await rm(lockFile, { force: true })
}

/** Whether the process is a `start`; a killed one's id may have gone to any other program. */
function isStart(pid: number): boolean {
  if (pid === process.pid || pid === 0) return false
  try {
    process.kill(pid, 0)
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("start.ts")
  } catch (error) {
    // There is a process, and a system without /proc does not say which.
    return (error as NodeJS.ErrnoException).code !== "ESRCH" && process.platform !== "linux"
  }
}

/** The API's signing keys: made once, readable by nobody else, so that a restart logs nobody out. */
export async function keepAuthKeys(): Promise<string> {
  try {
    return await readFile(keysFile, "utf8")
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error
    const keys = `local:${randomBytes(KEY_BYTES).toString("base64url")}`
    await writeFile(keysFile, keys, { mode: 0o600 })
    return keys
  }
}

/** The stack that runs from this folder now; undefined when none does. */
export async function readRunning(): Promise<Running | undefined> {
  try {
    const running = JSON.parse(await readFile(runningFile, "utf8")) as Running
    return isStart(running.pid) ? running : undefined
  } catch {
    return undefined
  }
}

export async function writeRunning(running: Running): Promise<void> {
  await writeFile(runningFile, JSON.stringify(running, undefined, 2), { mode: 0o600 })
}

export async function removeRunning(): Promise<void> {
  await rm(runningFile, { force: true })
}
