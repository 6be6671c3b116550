import { type ChildProcess, execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { promisify } from "node:util"
import { freePort } from "./ports.ts"
import { Redis } from "ioredis"

const run = promisify(execFile)

const PROGRAMS = ["redis-server", "valkey-server"]
const CONNECT_TRIES_MAX = 50
const CONNECT_DELAY_MS = 100

export interface RedisServer {
  url: string
  /** Of the process; another one after each start. */
  pid(): number
  client: Redis
  flushAll(): Promise<void>
  /** Stops the process without ending it (SIGSTOP), and lets it go on (SIGCONT). */
  freeze(): void
  thaw(): void
  /** Kills it, with everything in it. */
  kill(): Promise<void>
  /** Starts it again on the same port, empty, or with what its data folder holds. */
  start(): Promise<void>
  close(): Promise<void>
}

/** Finds a server that a caller may start, kill and flush; a given one must not be treated so. */
export async function findRedisServer(): Promise<{ path: string } | { missing: string }> {
  for (const program of PROGRAMS) {
    const found = await run("sh", ["-c", `command -v ${program}`]).catch(() => undefined)
    if (found !== undefined) return { path: found.stdout.trim() }
  }
  return { missing: "no redis-server or valkey-server on the PATH; apt-get install redis-server" }
}

/**
 * Starts a Redis of the caller's own on a free port. With a folder it starts from the dump in there,
 * which only the caller's `SAVE` writes; otherwise nothing is kept on disk.
 */
export async function startRedis(path: string, dataFolder?: string): Promise<RedisServer> {
  const port = await freePort()
  const url = `redis://127.0.0.1:${port}`
  const client = new Redis(url, {
    lazyConnect: true,
    retryStrategy: (tries: number) => (tries > CONNECT_TRIES_MAX ? null : CONNECT_DELAY_MS),
    maxRetriesPerRequest: null,
  })
  client.on("error", () => {})
  let server: ChildProcess | undefined
  const start = async () => {
    const options = ["--port", `${port}`, "--bind", "127.0.0.1", "--save", ""]
    if (dataFolder !== undefined) options.push("--dir", dataFolder)
    server = spawn(path, options, { stdio: "ignore" })
    await client.ping()
  }
  const kill = async () => {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return
    server.kill("SIGKILL")
    await once(server, "exit")
  }
  await start()
  return {
    url,
    client,
    pid: () => server?.pid ?? 0,
    freeze: () => void server?.kill("SIGSTOP"),
    thaw: () => void server?.kill("SIGCONT"),
    start,
    kill,
    async flushAll() {
      await client.flushall()
    },
    async close() {
      client.disconnect()
      await kill()
    },
  }
}
