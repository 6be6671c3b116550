import type { ClientConfig } from "pg"
import { tlsRefusal } from "../runtime/tls-refusal.ts"
import type { ServerRole } from "./server-role.ts"

/** Between two times that all connections of a way are given up. */
const GIVE_UP_INTERVAL_MS = 1_000

/** After which a host is tried in its preferred way again, with TLS or without: it may have been changed. */
const KEEP_OTHER_WAY_MS = 60_000

/** What node-postgres says of a server without TLS, and of one that breaks off while it is agreed on. */
const NO_TLS = /does not support SSL|establishing an SSL connection|before secure TLS connection/
/** `pg_hba.conf` lets this user in only with TLS, or only without. */
const NOT_LET_IN = "28000"

/** A connection that is given up when its server turns out to be read only. */
export interface GivesUp {
  giveUp(): void
}

/** One host, with TLS or without. */
export interface Way {
  config: () => ClientConfig
  hostIndex: number
  open: Set<GivesUp>
  givenUpAt: number
}

/**
 * The ways to one database, of which the one that led there last is tried first. A URL has one for the
 * whole process, so that what one connection finds is known to all.
 */
export class Route {
  readonly role: ServerRole
  /** How many connections to open until all ways were tried. */
  readonly waysCount: number
  readonly hostsCount: number
  readonly #hosts: Way[][]
  #current: Way
  #turn = 0
  #passedAt = 0

  /** `hosts`: how to connect to each, in the order in which they are tried. */
  constructor(hosts: (() => ClientConfig)[][], role: ServerRole) {
    this.role = role
    this.#hosts = hosts.map((ways, hostIndex) =>
      ways.map((config) => ({ config, hostIndex, open: new Set(), givenUpAt: -Infinity })),
    )
    this.hostsCount = hosts.length
    this.waysCount = this.#hosts.flat().length
    const first = this.#hosts[0]?.[0]
    if (first === undefined) throw new Error("a route without a host")
    this.#current = first
  }

  /** What is tried now. */
  get current(): Way {
    if (performance.now() - this.#passedAt >= KEEP_OTHER_WAY_MS) {
      this.#current = this.#hosts[this.#current.hostIndex]?.[0] ?? this.#current
    }
    return this.#current
  }

  /** Grows whenever another way becomes the one to try. */
  get turn(): number {
    return this.#turn
  }

  /** A connection could not be opened: the next one tries another way, unless somebody has seen to it. */
  pass(way: Way, error: unknown): void {
    if (way !== this.#current) return
    const next = this.#after(way, isAboutTls(error))
    if (next === way) return
    this.#current = next
    this.#turn += 1
    this.#passedAt = performance.now()
  }

  /** A server has said that it is read only: no connection to it is of use to anybody. */
  leave(way: Way): void {
    const now = performance.now()
    if (now - way.givenUpAt < GIVE_UP_INTERVAL_MS) return
    way.givenUpAt = now
    for (const client of way.open) client.giveUp()
  }

  /** With or without TLS for what keeps from the other; the next host for everything else. */
  #after(way: Way, isTls: boolean): Way {
    const other = this.#hosts[way.hostIndex]?.find((one) => one !== way)
    if (isTls && other !== undefined) return other
    if (this.hostsCount === 1) return way
    return this.#hosts[(way.hostIndex + 1) % this.hostsCount]?.[0] ?? way
  }
}

function isAboutTls(error: unknown): boolean {
  const { code = "", message = "" } = (error ?? {}) as { code?: string; message?: string }
  return code === NOT_LET_IN || NO_TLS.test(message) || tlsRefusal(error) !== undefined
}
