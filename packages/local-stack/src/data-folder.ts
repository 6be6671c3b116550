import { randomBytes } from "node:crypto"
import { accessSync, constants, readFileSync, statSync } from "node:fs"
import { mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { ConfigError, hasControlCharacter } from "@gofermart/shared/runtime/env.ts"
import { setting } from "@gofermart/shared/runtime/setting.ts"
import { Type } from "typebox"

const description = "a folder that can be made and written in"

/** Judged by `judgeDataFolder`, with what the file system says of it. */
export const dataFolderSetting = setting(Type.Optional(Type.String({ description })), {
  purpose: "the folder of everything that the local stack keeps",
  fallback: ".data/ of the checkout",
})

/** Everything the local stack keeps: the database, the simulator's orders, keys and logs. */
export const dataFolder = resolve(
  process.env["GOFERMART_DATA"]?.trim() ||
    fileURLToPath(new URL("../../../.data/", import.meta.url)),
)
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
  await makeDataFolder()
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

async function makeDataFolder(): Promise<void> {
  judgeDataFolder()
  try {
    await mkdir(logsFolder, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw unusableFolder(`it cannot be made: ${(error as NodeJS.ErrnoException).code}`)
  }
}

/** Throws a `ConfigError` when the data folder is there and cannot be used. */
export function judgeDataFolder(): void {
  // PostgreSQL keeps the path in a file with a line for each thing in it.
  if (hasControlCharacter(dataFolder)) {
    throw unusableFolder("its path has a line break or another control character in it")
  }
  try {
    if (!statSync(dataFolder).isDirectory()) throw unusableFolder("it is a file")
    accessSync(dataFolder, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    if (error instanceof ConfigError) throw error
    const { code } = error as NodeJS.ErrnoException
    if (code !== "ENOENT") throw unusableFolder(`it cannot be used: ${code}`)
  }
}

function unusableFolder(reason: string): ConfigError {
  return new ConfigError(`GOFERMART_DATA must be ${description} (${reason})`)
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
