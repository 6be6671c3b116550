import { connect, type Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { connect as connectTls } from "node:tls"
import { AbstractConnector } from "ioredis"
import {
  type Address,
  type ClusterOptions,
  type ClusterView,
  distinct,
  findSlotOwner,
  isSame,
  tlsTo,
} from "./slot-owner.ts"

/** Between two rounds in which no node could say where the queue is. */
const RETRY_DELAY_MS = 500
/** A primary that said nothing for so long may hang: then the others are asked whether it still is one. */
const WATCH_INTERVAL_MS = 2_000
/** Besides those of the connection string: a cluster may have hundreds. */
const KNOWN_ASKED_MAX = 3
/** ioredis's words for a connection that its owner has given up. */
const CLOSED = "Connection is closed."

type ErrorEmitter = Parameters<AbstractConnector["connect"]>[0]

/**
 * Connects to the node of a cluster that has the queue's hash slot. All keys of the queue are in that one, so
 * a single connection does, with all that `redis-connection.ts` promises of it; ioredis's `Cluster`
 * has neither its bounds nor its reasons. When the slot is elsewhere the node says MOVED, or its socket closes, and
 * the connection is opened anew; when it hangs, the other nodes say so.
 */
export class ClusterConnector extends AbstractConnector {
  readonly #options: ClusterOptions
  /** Those that the cluster told of. */
  #known: Address[] = []
  #ending = new AbortController()

  constructor(given: unknown) {
    const options = given as ClusterOptions
    super(options.disconnectTimeout ?? 0)
    this.#options = options
  }

  override async connect(emit: ErrorEmitter): Promise<Socket> {
    this.#ending = new AbortController()
    const { owner } = await this.#find(emit, this.#ending.signal)
    const { tls, family } = this.#options
    const place = { ...owner, ...(family !== undefined && { family }) }
    const socket =
      tls === undefined ? connect(place) : connectTls({ ...place, ...tlsTo(owner, this.#options) })
    this.stream = socket
    socket.once("error", (error) => (this.firstError = error))
    this.#watch(socket, owner)
    return socket
  }

  override disconnect(): void {
    this.#ending.abort()
    super.disconnect()
  }

  async #find(emit: ErrorEmitter, signal: AbortSignal): Promise<ClusterView> {
    const ended = new Promise<never>((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(new Error(CLOSED)))
    })
    ended.catch(() => {})
    for (;;) {
      try {
        const view = await Promise.race([findSlotOwner(this.#asked(), this.#options), ended])
        this.#known = view.nodes
        return view
      } catch (error) {
        if (signal.aborted || this.#options.clusterIsAskedOnce) throw error
        emit("error", error as Error)
        await Promise.race([sleep(RETRY_DELAY_MS), ended])
      }
    }
  }

  #asked(): Address[] {
    // Others each time: some of them may be gone.
    const first = Math.floor(Math.random() * this.#known.length)
    const some = [...this.#known.slice(first), ...this.#known.slice(0, first)]
    return distinct([...this.#options.clusterNodes, ...some.slice(0, KNOWN_ASKED_MAX)])
  }

  /** Until the socket closes. */
  #watch(socket: Socket, owner: Address): void {
    let bytesRead = -1
    let isAsking = false
    const look = async () => {
      const isSilent = socket.bytesRead === bytesRead
      bytesRead = socket.bytesRead
      const others = this.#asked().filter((node) => !isSame(node, owner))
      if (!isSilent || isAsking || others.length === 0) return
      isAsking = true
      const view = await findSlotOwner(others, this.#options).catch(() => undefined)
      isAsking = false
      if (view !== undefined && !isSame(view.owner, owner)) socket.destroy()
    }
    const timer = setInterval(() => void look(), WATCH_INTERVAL_MS)
    socket.once("close", () => clearInterval(timer))
  }
}
