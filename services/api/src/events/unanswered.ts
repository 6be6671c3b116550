import { existsSync } from "node:fs"
import { readFile } from "node:fs/promises"
import type { Socket } from "node:net"
import { endianness } from "node:os"
import { setTimeout as sleep } from "node:timers/promises"
import { atMostEvery } from "@gofermart/shared/runtime/at-most-every.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import { reasonOf } from "@gofermart/shared/runtime/reason-of.ts"
import ipaddr from "ipaddr.js"

/** Linux tells here of every connection, and how far the other side has answered. */
const TABLES = ["/proc/self/net/tcp", "/proc/self/net/tcp6"].filter((path) => existsSync(path))
const POLL_INTERVAL_MS = 4_000
/** For which nothing that was sent may be acknowledged. */
const UNANSWERED_MAX_MS = 30_000
const WARN_INTERVAL_MS = 60_000

interface Watched {
  onUnanswered: () => void
  /** When it was first seen unanswered; undefined when it was answered last. */
  since: number | undefined
}

/**
 * Finds the connections whose other side has vanished without closing them, as a telephone does that
 * loses its network: what is sent to it stays in the kernel, which goes on trying for a quarter of an
 * hour and says nothing.
 */
export class UnansweredConnections {
  /** Whether this system tells of them. */
  readonly areKnown = TABLES.length > 0 && endianness() === "LE"
  readonly #logger: Logger
  readonly #watched = new Map<string, Watched>()
  #isLooking = false

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** Calls `onUnanswered` once when the other side is found to have vanished, until the function it gives is called. */
  watch(socket: Socket, onUnanswered: () => void): () => void {
    const name = nameOf(socket)
    if (!this.areKnown || name === undefined) return () => {}
    const watched: Watched = { onUnanswered, since: undefined }
    this.#watched.set(name, watched)
    if (!this.#isLooking) void this.#keepLooking()
    return () => {
      if (this.#watched.get(name) === watched) this.#watched.delete(name)
    }
  }

  async #keepLooking(): Promise<void> {
    this.#isLooking = true
    const maySay = atMostEvery(WARN_INTERVAL_MS)
    while (this.#watched.size > 0) {
      await sleep(POLL_INTERVAL_MS, undefined, { ref: false })
      await this.#look().catch((error: unknown) => {
        if (maySay())
          this.#logger.warn({ reason: reasonOf(error) }, "cannot look for vanished clients")
      })
    }
    this.#isLooking = false
  }

  async #look(): Promise<void> {
    const tables = await Promise.all(TABLES.map((path) => readFile(path, "latin1")))
    const unanswered = new Set(tables.flatMap((table) => unansweredIn(table)))
    const now = performance.now()
    for (const [name, watched] of this.#watched) {
      if (!unanswered.has(name)) watched.since = undefined
      else if (now - (watched.since ??= now) >= UNANSWERED_MAX_MS) {
        this.#watched.delete(name)
        watched.onUnanswered()
      }
    }
  }
}

/**
 * The connections of a table of Linux's that hold something which was sent again because it was not
 * acknowledged, or whose other side does not answer whether it has room for more. A reader that is
 * merely slow, or has stopped, acknowledges, or answers that it has none.
 * (https://docs.kernel.org/networking/proc_net_tcp.html)
 */
export function unansweredIn(table: string): string[] {
  const lines = table.split("\n").slice(1, -1)
  return lines.flatMap((line) => {
    const [, local, remote, , queues = "", , resent = "", , probes = ""] = line.trim().split(/\s+/)
    const isWaiting = !queues.startsWith("00000000:")
    const isUnanswered = Number.parseInt(resent, 16) > 0 || Number(probes) > 0
    return isWaiting && isUnanswered ? [`${local} ${remote}`] : []
  })
}

/** A connection as the tables name it; undefined when it is closed. */
function nameOf(socket: Socket): string | undefined {
  const { localAddress, localPort, remoteAddress, remotePort } = socket
  if (localAddress === undefined || remoteAddress === undefined) return undefined
  return `${nameEnd(localAddress, localPort)} ${nameEnd(remoteAddress, remotePort)}`
}

/** In words of 32 bits, each with its lowest byte first, as a little-endian machine has them. */
function nameEnd(address: string, port = 0): string {
  const bytes = Buffer.from(ipaddr.parse(address).toByteArray()).swap32()
  const portText = port.toString(16).padStart(4, "0")
  return `${bytes.toString("hex")}:${portText}`.toUpperCase()
}
