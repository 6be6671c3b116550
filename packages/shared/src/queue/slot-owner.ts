import { isIP } from "node:net"
import { checkServerIdentity, type ConnectionOptions } from "node:tls"
import { Redis, type RedisOptions } from "ioredis"
import { withTimeout } from "../runtime/with-timeout.ts"
import { isBrokenOff, readRefusal } from "./redis-refusal.ts"

/** For a node to say where the slot is. A node that hangs costs no more than this. */
const ANSWER_TIMEOUT_MS = 1_000

export interface Address {
  host: string
  port: number
}

/** Where in a cluster the queue is, as far as the settings say. */
export interface ClusterPlace {
  /** Those that the connection string names. */
  clusterNodes: Address[]
  /** A key in the hash slot of the queue. */
  clusterKey: string
  /** For who does not wait for a cluster that is away: when no node says where the queue is, that is the answer. */
  clusterIsAskedOnce?: boolean
}

export type ClusterOptions = RedisOptions & ClusterPlace

export function isClusterPlace(
  options: RedisOptions & Partial<ClusterPlace>,
): options is ClusterOptions {
  return options.clusterNodes !== undefined
}

/** What a node says about its cluster. */
export interface ClusterView {
  /** The primary that has the slot. */
  owner: Address
  /** All nodes that have slots, or a copy of them. */
  nodes: Address[]
  /** Where the node is that said so, by its own account; undefined when it has no slots. */
  own: Address | undefined
  /** The name by which the nodes know it. */
  id: string
}

type Node = [host: string | null, port: number, id: string, ...more: unknown[]]
type SlotRange = [first: number, last: number, ...nodes: Node[]]

/**
 * Asks nodes which of them has the queue's hash slot: resolves with what most of them say, as soon as that is
 * known. One that was away for a while may still believe what was true before. Rejects with what
 * keeps each from answering.
 */
export function findSlotOwner(nodes: Address[], options: ClusterOptions): Promise<ClusterView> {
  const { promise, resolve, reject } = Promise.withResolvers<ClusterView>()
  const views: ClusterView[] = []
  const errors: Error[] = []
  const votes = ({ owner }: ClusterView) => views.filter((view) => isSame(view.owner, owner)).length
  const look = () => {
    const [most] = views.toSorted((a, b) => votes(b) - votes(a))
    const isLast = views.length + errors.length === nodes.length
    if (most !== undefined && (isLast || votes(most) > nodes.length / 2)) resolve(most)
    else if (isLast) reject(noneSays(errors))
  }
  for (const node of nodes) {
    void askNode(node, options)
      .then(
        (view) => views.push(view),
        (error: Error) => errors.push(error),
      )
      .then(look)
  }
  return promise
}

/** Asks one node. Rejects with what keeps it from answering. */
export async function askNode(node: Address, options: ClusterOptions): Promise<ClusterView> {
  const { username, password, family, clusterKey } = options
  const redis = new Redis({
    ...node,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(family !== undefined && { family }),
    ...(options.tls !== undefined && { tls: tlsTo(node, options) }),
    lazyConnect: true,
    enableReadyCheck: false,
    retryStrategy: () => null,
  })
  let reason: Error | undefined
  redis.on("error", (error: Error) => (reason ??= error))
  try {
    const asked = Promise.all([
      redis.cluster("KEYSLOT", clusterKey),
      redis.cluster("SLOTS"),
      redis.cluster("MYID"),
    ])
    const said = await withTimeout(asked, ANSWER_TIMEOUT_MS, `${node.host} gives no answer`)
    const [slot, ranges, id] = said as [number, SlotRange[], string]
    return viewOf(ranges, slot, id, node)
  } catch (error) {
    reason ??= error as Error
    const refusal = isBrokenOff(reason) ? await readRefusal(redis) : ""
    throw refusal === "" ? reason : new Error(refusal)
  } finally {
    redis.disconnect()
  }
}

function viewOf(ranges: SlotRange[], slot: number, id: string, asked: Address): ClusterView {
  // Without a name of its own a node is where it was asked.
  const addressOf = ([host, port]: Node): Address => ({ host: host || asked.host, port })
  const nodes = ranges.flatMap(([, , ...servers]) => servers)
  const [, , owner] = ranges.find(([first, last]) => first <= slot && slot <= last) ?? []
  if (owner === undefined) throw new Error("CLUSTERDOWN no node has the hash slot of the queue")
  const own = nodes.find(([, , known]) => known === id)
  return {
    owner: addressOf(owner),
    nodes: distinct(nodes.map(addressOf)),
    own: own && addressOf(own),
    id,
  }
}

/**
 * TLS with a node. Managed clusters announce addresses, and have a certificate for the name that the
 * connection string has: so a node has to prove that it is the one or the other.
 */
export function tlsTo({ host }: Address, { tls, clusterNodes }: ClusterOptions): ConnectionOptions {
  const named = clusterNodes.find((node) => isIP(node.host) === 0)
  if (isIP(host) === 0 || named === undefined) return { ...tls }
  return {
    ...tls,
    servername: named.host,
    checkServerIdentity: (name, certificate) =>
      checkServerIdentity(host, certificate) && checkServerIdentity(name, certificate),
  }
}

export function isSame(one: Address, other: Address): boolean {
  return one.host === other.host && one.port === other.port
}

export function distinct(addresses: Address[]): Address[] {
  return addresses.filter((one, i) => addresses.findIndex((other) => isSame(one, other)) === i)
}

function noneSays(errors: Error[]): Error {
  const messages = new Set(errors.map(({ message }) => message))
  return new AggregateError(errors, `no node says where the queue is: ${[...messages].join("; ")}`)
}
