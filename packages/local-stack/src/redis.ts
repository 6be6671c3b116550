import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { withTimeout } from "@gofermart/shared/runtime/with-timeout.ts"
import { findProgram, REDIS_SERVERS } from "./find-program.ts"
import { freePort } from "./ports.ts"
import { Redis } from "ioredis"

const CONNECT_DELAY_MS = 100
const START_TIMEOUT_MS = 20_000

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
  /**
   * Starts it again on the same port, empty, or with what its data folder holds; with the options that it
   * was first started with, and further ones if need be.
   */
  start(...options: string[]): Promise<void>
  close(): Promise<void>
}

/** Finds a server that a caller may start, kill and flush; a given one must not be treated so. */
export async function findRedisServer(): Promise<{ path: string } | { missing: string }> {
  const path = await findProgram(REDIS_SERVERS)
  if (path !== undefined) return { path }
  return { missing: "no redis-server or valkey-server on the PATH; apt-get install redis-server" }
}

/**
 * Starts a Redis of the caller's own on a free port. With a folder it starts from the dump in there,
 * which only the caller's `SAVE` writes; otherwise nothing is kept on disk. `own`: further options of `redis-server`.
 */
export async function startRedis(
  path: string,
  dataFolder?: string,
  own: string[] = [],
): Promise<RedisServer> {
  const port = await freePort()
  const url = `redis://127.0.0.1:${port}`
  const pidFile = join(tmpdir(), `redis-${port}.pid`)
  const client = new Redis(url, {
    lazyConnect: true,
    // However long the server is away before it is started again.
    retryStrategy: () => CONNECT_DELAY_MS,
    maxRetriesPerRequest: null,
  })
  client.on("error", () => {})
  let server: ChildProcess | undefined
  // What a replica is sent may be written there, and is not to be found at a start.
  const dump = `redis-${port}.rdb`
  const start = async (...further: string[]) => {
    const options = ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--pidfile", pidFile]
    if (dataFolder !== undefined) options.push("--dir", dataFolder)
    else options.push("--dir", tmpdir(), "--dbfilename", dump)
    const started = spawn(path, [...options, ...own, ...further], { stdio: "ignore" })
    server = started
    const ended = once(started, "exit").then(() => {
      throw new Error("Redis ended at its start")
    })
    ended.catch(() => {})
    await Promise.race([
      withTimeout(client.ping(), START_TIMEOUT_MS, "Redis does not answer"),
      ended,
    ])
  }
  const kill = async () => {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return
    server.kill("SIGKILL")
    await once(server, "exit")
    await rm(pidFile, { force: true })
    await rm(join(tmpdir(), dump), { force: true })
  }
  await start().catch(async (error: unknown) => {
    client.disconnect()
    await kill()
    throw error
  })
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
