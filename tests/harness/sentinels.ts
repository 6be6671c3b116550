import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { freePort } from "@gofermart/local-stack/ports.ts"
import type { RedisServer } from "@gofermart/local-stack/redis.ts"
import { Redis } from "ioredis"
import { inject } from "vitest"
import { atEndOrBefore } from "./at-end.ts"
import { eventually } from "./eventually.ts"

const SENTINELS = 3
const QUORUM = 2
/** After this time without an answer a Sentinel takes a primary for away. */
const DOWN_AFTER_MS = 1_000
const FAILOVER_TIMEOUT_MS = 3_000

export interface Sentinels {
  /** Host and port of each, with commas between them. */
  hosts: string
  /** The port of the primary, as they know it. */
  primaryPort(): Promise<string>
  /** Stops one of them without ending it (SIGSTOP); it stays so. */
  freezeOne(): void
}

/**
 * Starts three Sentinels that watch a primary by this name and ask for this password, and waits until
 * they know its replicas and each other.
 */
export async function startSentinels(
  name: string,
  primary: RedisServer,
  replicas: number,
  password: string,
): Promise<Sentinels> {
  const server = inject("redisServer")
  if ("missing" in server) throw new Error(server.missing)
  const folder = await mkdtemp(join(inject("folder"), "sentinels-"))
  const ports = await Promise.all(Array.from({ length: SENTINELS }, () => freePort()))
  const processes: ChildProcess[] = []
  for (const port of ports) {
    const file = join(folder, `${port}.conf`)
    const lines = [
      `port ${port}`,
      "bind 127.0.0.1",
      `dir ${folder}`,
      `sentinel monitor ${name} 127.0.0.1 ${new URL(primary.url).port} ${QUORUM}`,
      `sentinel down-after-milliseconds ${name} ${DOWN_AFTER_MS}`,
      `sentinel failover-timeout ${name} ${FAILOVER_TIMEOUT_MS}`,
      `requirepass ${password}`,
    ]
    await writeFile(file, `${lines.join("\n")}\n`)
    const child = spawn(server.path, [file, "--sentinel"], { stdio: "ignore" })
    processes.push(child)
    const ended = once(child, "exit")
    atEndOrBefore(async () => {
      child.kill("SIGKILL")
      await ended
    })
  }
  const clients = ports.map((port) => {
    const client = new Redis({ port, password })
    client.on("error", () => {})
    atEndOrBefore(() => Promise.resolve(client.disconnect()))
    return client
  })
  await eventually("the Sentinels know everybody", async () => {
    const seen = await Promise.all(clients.map((client) => client.info("sentinel")))
    return seen.every((text) => text.includes(`slaves=${replicas},sentinels=${SENTINELS}`))
  })
  return {
    hosts: ports.map((port) => `127.0.0.1:${port}`).join(","),
    async primaryPort() {
      const said = await clients[0]?.call("SENTINEL", "get-master-addr-by-name", name)
      const [, port = ""] = said as string[]
      return port
    },
    freezeOne: () => void processes.at(-1)?.kill("SIGSTOP"),
  }
}
