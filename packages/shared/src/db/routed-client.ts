import { Client, type ClientConfig } from "pg"
import { type Pooler, type SessionSettings, settingStatements } from "./pooler.ts"
import type { GivesUp, Route, Way } from "./route.ts"
import { expectRole, READ_ONLY } from "./server-role.ts"

/** Where nobody has said how long connecting may take. */
const CONNECT_TIMEOUT_MS = 10_000
/** As node-postgres' pool says it. */
const CONNECT_TIMEOUT = "Connection terminated due to connection timeout"
/** The least that a host gets of the time for connecting. */
const HOST_TIMEOUT_MIN_MS = 500

/** How a connection is opened: see `connectionBy`. */
export interface RoutedConfig extends ClientConfig {
  route: Route
  pooler?: Pooler
  /** What the session has to have set, where its start does not say so. */
  settings?: SessionSettings
}

/**
 * A connection to the server that the route leads to now. It is refused by one that has not the role
 * that was asked for, and given up once its server says that it is read only: a primary that has become a
 * standby keeps the connections that proxies and listeners hold.
 */
export class RoutedClient extends Client implements GivesUp {
  readonly #route: Route
  readonly #way: Way
  readonly #timeoutMs: number
  readonly #setUp: string
  #isGivenUp = false

  constructor(config: RoutedConfig) {
    const {
      route,
      pooler = "none",
      settings = {},
      connectionTimeoutMillis: totalMs = CONNECT_TIMEOUT_MS,
      ...others
    } = config
    const way = route.current
    const timeoutMs = Math.max(HOST_TIMEOUT_MIN_MS, Math.floor(totalMs / route.hostsCount))
    super({ ...others, ...way.config(), connectionTimeoutMillis: timeoutMs })
    this.#route = route
    this.#way = way
    this.#timeoutMs = timeoutMs
    this.#setUp = settingStatements(pooler, settings)
    // Node ends a process in which nobody listens. Whoever uses the connection learns of it from the
    // statement that fails.
    this.on("error", () => {})
    this.on("end", () => way.open.delete(this))
    this.connection.on("errorMessage", ({ code }: { code?: string }) => {
      if (code !== READ_ONLY) return
      this.giveUp()
      route.leave(way)
    })
  }

  /** Whether nothing is under way at the server, and nothing can be. */
  get isAnswered(): boolean {
    const { readyForQuery } = this as unknown as { readyForQuery?: boolean }
    return readyForQuery === true || this.connection.stream.destroyed
  }

  override connect(): Promise<Client>
  override connect(callback: ((err: Error) => void) | ((err: null, c: Client) => void)): void
  override connect(callback?: (...result: never[]) => void): Promise<Client> | void {
    const opened = this.#open()
    if (callback === undefined) return opened
    const tell = callback as (error: unknown, client?: Client) => void
    opened.then((client) => tell(null, client), tell)
  }

  /** Ends it when what is under way has ended, and with it its transaction. */
  giveUp(): void {
    if (this.#isGivenUp) return
    this.#isGivenUp = true
    this.on("drain", () => this.#endBetweenTransactions())
    this.#endBetweenTransactions()
  }

  #endBetweenTransactions(): void {
    if (!this.isAnswered || this.getTransactionStatus() !== "I") return
    this.connection.stream.destroy(new Error("Connection terminated: its server is read only"))
  }

  async #open(): Promise<Client> {
    try {
      await super.connect()
      this.#way.open.add(this)
      await expectRole(this, this.#route.role, this.#timeoutMs)
      if (this.#setUp !== "") await this.query(this.#setUp)
      return this
    } catch (cause) {
      const error = isTimeout(cause) ? new Error(CONNECT_TIMEOUT, { cause }) : cause
      this.#route.pass(this.#way, error)
      this.end().catch(() => {})
      throw error
    }
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === "timeout expired"
}
