import { randomBytes } from "node:crypto"
import { mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** Everything the local stack keeps: the database, the simulator's orders, keys and logs. */
export const dataFolder =
  process.env["GOFERMART_DATA"] ?? fileURLToPath(new URL("../../../.data/", import.meta.url))
export const logsFolder = join(dataFolder, "logs")

const KEY_BYTES = 32
const keysFile = join(dataFolder, "auth-keys")
const runningFile = join(dataFolder, "running.json")

/** What `demo` and `verify` need to know of the running stack. Holds the database's password. */
export interface Running {
  pid: number
  apiUrl: string
  scoringUrl: string
  simulated: boolean
  databaseUrl: string
}

export async function makeDataFolder(): Promise<void> {
  await mkdir(logsFolder, { recursive: true, mode: 0o700 })
}

/** The API's signing keys: made once, readable by nobody else, so that a restart logs nobody out. */
export async function keepAuthKeys(): Promise<string> {
  try {
    return await readFile(keysFile, "utf8")
  } catch {
    const keys = `local:${randomBytes(KEY_BYTES).toString("base64url")}`
    await writeFile(keysFile, keys, { mode: 0o600 })
    return keys
  }
}

/** The stack that runs from this folder now; undefined when none does. */
export async function readRunning(): Promise<Running | undefined> {
  try {
    const running = JSON.parse(await readFile(runningFile, "utf8")) as Running
    process.kill(running.pid, 0)
    return running
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
