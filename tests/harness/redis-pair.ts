import type { RedisServer } from "@gofermart/local-stack/redis.ts"
import { eventually } from "./eventually.ts"
import { startOwnRedis } from "./system.ts"

/** Starts a primary and its replica, and waits until the one has what the other has. */
export async function startRedisPair(): Promise<[primary: RedisServer, replica: RedisServer]> {
  const [primary, replica] = [await startOwnRedis(), await startOwnRedis()]
  for (const { client } of [primary, replica]) {
    // Otherwise it waits five seconds for more replicas, and writes a file.
    await client.config("SET", "repl-diskless-sync-delay", "0")
    await client.config("SET", "repl-diskless-load", "swapdb")
  }
  await follow(replica, primary)
  return [primary, replica]
}

/** Makes one the other's replica, and resolves when it has what the other has. */
export async function follow(replica: RedisServer, primary: RedisServer): Promise<void> {
  await replica.client.replicaof("127.0.0.1", new URL(primary.url).port)
  await untilInStep(replica)
}

/** Resolves when a server is a replica, and has what its primary has. */
export async function untilInStep({ client }: RedisServer): Promise<void> {
  await eventually("the replica is in step", async () =>
    (await client.info("replication")).includes("master_link_status:up"),
  )
}
