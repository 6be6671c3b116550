import { mkdtemp } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { freePort } from "@gofermart/local-stack/ports.ts"
import type { RedisServer } from "@gofermart/local-stack/redis.ts"
import { inject } from "vitest"
import { eventually } from "./eventually.ts"
import { untilInStep } from "./redis-pair.ts"
import { startOwnRedis } from "./system.ts"

const SLOTS = 16_384
/** Of silence, after which the other nodes take one for away. Redis' own is 15 s. */
const NODE_TIMEOUT_MS = 1_500
/** For one key to be sent from node to node. */
const MIGRATE_TIMEOUT_MS = 5_000
/** Keys that are sent at once while a slot is moved. */
const MIGRATE_BATCH = 50
/** Between two batches, so that the move meets commands under way. */
const MIGRATE_REST_MS = 20

export interface ClusterNode extends RedisServer {
  /** What the nodes know it by. */
  id: string
  /** Host and port. */
  address: string
}

/** Starts a node that knows no other, and has no slots; with further options of `redis-server` if need be. */
export async function startNode(...further: string[]): Promise<ClusterNode> {
  const folder = await mkdtemp(join(inject("folder"), "cluster-"))
  const busPort = await freePort()
  const options = ["--cluster-enabled", "yes", "--cluster-port", `${busPort}`]
  options.push("--cluster-config-file", join(folder, "nodes.conf"))
  options.push("--cluster-node-timeout", `${NODE_TIMEOUT_MS}`)
  // A replica that was linked to its primary a moment ago is as good as any.
  options.push("--cluster-replica-validity-factor", "0")
  options.push("--repl-diskless-sync-delay", "0", "--repl-diskless-load", "swapdb", ...further)
  const server = await startOwnRedis(undefined, options)
  return {
    ...server,
    id: await server.client.cluster("MYID"),
    address: new URL(server.url).host,
  }
}

/** A cluster of primaries, which have the slots in equal parts, and a replica for each. */
export class RedisCluster {
  readonly nodes: ClusterNode[]

  private constructor(nodes: ClusterNode[]) {
    this.nodes = nodes
  }

  /** Starts it, and waits until it takes commands and each replica has what its primary has. */
  static async start(primaries = 3, ...further: string[]): Promise<RedisCluster> {
    const started = Array.from({ length: 2 * primaries }, () => startNode(...further))
    const cluster = new RedisCluster(await Promise.all(started))
    const { nodes } = cluster
    await Promise.all(
      nodes.map(async ({ client }, i) => {
        await client.call("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
        if (i >= primaries) return
        const [first, last] = [i, i + 1].map((part) => Math.floor((part * SLOTS) / primaries))
        await client.call("CLUSTER", "ADDSLOTSRANGE", first ?? 0, (last ?? 0) - 1)
      }),
    )
    for (const node of nodes.slice(1)) await cluster.meet(node)
    await Promise.all(
      nodes.slice(primaries).map(async (replica, i) => {
        // It hears of it from the others.
        await eventually("it knows its primary", async () =>
          replica.client.call("CLUSTER", "REPLICATE", nodes[i]?.id ?? "").then(
            () => true,
            () => false,
          ),
        )
        await untilInStep(replica)
      }),
    )
    await cluster.untilSound()
    return cluster
  }

  /** As a connection string names them. */
  get hosts(): string {
    return this.nodes.map(({ address }) => address).join(",")
  }

  /** Introduces a node to the first one, and so to all; resolves when each knows it. */
  async meet(newcomer: ClusterNode): Promise<void> {
    const [first] = this.nodes
    if (first === undefined) throw new Error("an empty cluster")
    const conf = /@(\d+)/.exec(String(await newcomer.client.cluster("NODES")))
    const [host = "", port = ""] = newcomer.address.split(":")
    await first.client.call("CLUSTER", "MEET", host, port, conf?.[1] ?? "")
    if (!this.nodes.includes(newcomer)) this.nodes.push(newcomer)
    await eventually("all know it", async () => {
      const known = await Promise.all(
        [first, newcomer].map(({ client }) => client.cluster("NODES")),
      )
      return String(known[0]).includes(newcomer.id) && String(known[1]).includes(first.id)
    })
  }

  /** Resolves when each node of these says that all slots are served. */
  async untilSound(nodes: ClusterNode[] = this.nodes): Promise<void> {
    await eventually("the cluster is sound", async () => {
      const seen = await Promise.all(nodes.map(({ client }) => client.cluster("INFO")))
      return seen.every((text) => text.includes("cluster_state:ok"))
    })
  }

  /** Resolves when a node says that not all slots are served: it then takes no commands. */
  async untilUnsound({ client }: ClusterNode): Promise<void> {
    await eventually("the cluster is unsound", async () =>
      (await client.cluster("INFO")).includes("cluster_state:fail"),
    )
  }

  /** Resolves when another node has taken over the slots of one. */
  async untilReplica({ client }: ClusterNode): Promise<void> {
    await eventually("it is a replica", async () =>
      (await client.info("replication")).includes("role:slave"),
    )
  }

  /** Has all nodes forget one that has no slots. */
  async remove(node: ClusterNode): Promise<void> {
    const others = this.nodes.filter(({ id }) => id !== node.id)
    this.nodes.splice(0, this.nodes.length, ...others)
    for (const { client } of others) await client.call("CLUSTER", "FORGET", node.id)
    await node.close()
  }

  /** The primary that has the hash slot of a key, as the nodes that answer know it. */
  async ownerOf(key: string): Promise<ClusterNode> {
    const slot = await this.#slotOf(key)
    for (const { client } of this.nodes) {
      // A node that was killed would have it wait.
      if (client.status !== "ready") continue
      const ranges = await client.cluster("SLOTS")
      const [, , found] = ranges.find(([first, last]) => first <= slot && slot <= last) ?? []
      const owner = this.nodes.find(({ id }) => id === found?.[2])
      if (owner !== undefined) return owner
    }
    throw new Error(`nobody has the slot of ${key}`)
  }

  /** The replicas of a primary. */
  async replicasOf({ id, client }: ClusterNode): Promise<ClusterNode[]> {
    const said = (await client.cluster("REPLICAS", id)) as string[]
    const ids = said.map((line) => line.split(" ")[0])
    return this.nodes.filter((node) => ids.includes(node.id))
  }

  /** Primaries that are there. */
  async primaries(): Promise<ClusterNode[]> {
    const alive = this.nodes.filter(({ client }) => client.status === "ready")
    const roles = await Promise.all(alive.map(({ client }) => client.info("replication")))
    return alive.filter((_node, i) => roles[i]?.includes("role:master"))
  }

  /** Moves the hash slot of a key to another primary, as `redis-cli --cluster reshard` does, while it is used. */
  async moveSlot(key: string, to: ClusterNode): Promise<void> {
    const slot = await this.#slotOf(key)
    const from = await this.ownerOf(key)
    const [host = "", port = ""] = to.address.split(":")
    await to.client.call("CLUSTER", "SETSLOT", slot, "IMPORTING", from.id)
    await from.client.call("CLUSTER", "SETSLOT", slot, "MIGRATING", to.id)
    for (;;) {
      const keys = (await from.client.call(
        "CLUSTER",
        "GETKEYSINSLOT",
        slot,
        MIGRATE_BATCH,
      )) as string[]
      if (keys.length === 0) break
      await from.client.call("MIGRATE", host, port, "", 0, MIGRATE_TIMEOUT_MS, "KEYS", ...keys)
      await sleep(MIGRATE_REST_MS)
    }
    await to.client.call("CLUSTER", "SETSLOT", slot, "NODE", to.id)
    for (const { client } of await this.primaries()) {
      // One that has no slot left becomes a replica as soon as it hears of it.
      await client.call("CLUSTER", "SETSLOT", slot, "NODE", to.id).catch((error: Error) => {
        if (!error.message.includes("only with masters")) throw error
      })
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()))
  }

  async #slotOf(key: string): Promise<number> {
    const node = this.nodes.find(({ client }) => client.status === "ready")
    return Number(await node?.client.cluster("KEYSLOT", key))
  }
}
