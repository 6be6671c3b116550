import { type Redis, type SentinelConnectionOptions, SentinelConnector } from "ioredis"

/** Between two tries to reach a Sentinel that is to tell of a failover. */
const WATCH_RETRY_DELAY_MS = 1_000
/** What Sentinels publish when another server is the primary: its name, the old address, the new one. */
const SWITCHED = "+switch-master"
/** ioredis's words for a Sentinel's connection that failed; why is told elsewhere. */
const CLOSED = "Connection is closed."

type ErrorEmitter = Parameters<SentinelConnector["connect"]>[0]
type Connected = Awaited<ReturnType<SentinelConnector["connect"]>>

/**
 * Finds the primary by its Sentinels, and leaves it as soon as one of them says that another server is it:
 * one that hangs keeps its sockets open. When none says where it is, the error has the reasons of all.
 *
 * ioredis's own detector of failovers is not used: when it hears of one while a connection is being opened, it
 * ends that for good.
 */
export class WatchingSentinelConnector extends SentinelConnector {
  readonly #name: string | undefined
  readonly #sentinels: object[]
  readonly #open: (sentinel: object, options?: object) => Redis
  #reasons: Error[] = []

  constructor(given: unknown) {
    const options = given as SentinelConnectionOptions
    super(options)
    this.#name = options.name
    this.#sentinels = options.sentinels ?? []
    const own = this as unknown as { connectToSentinel: (...args: [object, object?]) => Redis }
    this.#open = own.connectToSentinel.bind(this)
    own.connectToSentinel = (...args) =>
      this.#open(...args).on("error", (error) => this.#reasons.push(error))
  }

  override async connect(emit: ErrorEmitter): Promise<Connected> {
    this.#reasons = []
    try {
      const socket = await super.connect((type, error) => {
        if (type === "sentinelError") this.#noteReply(error)
        emit(type, type === "error" ? this.#explained(error) : error)
      })
      this.#watch(socket)
      return socket
    } catch (error) {
      throw this.#explained(error as Error)
    }
  }

  #noteReply({ message }: Error): void {
    const [, reason = CLOSED] = / because (.*)$/s.exec(message) ?? []
    if (reason !== CLOSED) this.#reasons.push(new Error(reason))
  }

  /** Of a round in which no Sentinel said where the primary is. */
  #explained(error: Error): Error {
    const reasons = this.#reasons
    if (!error.message.startsWith("All sentinels are unreachable") || reasons.length === 0) {
      return error
    }
    this.#reasons = []
    const messages = new Set(reasons.map(({ message }) => message))
    return new AggregateError(
      reasons,
      `no Sentinel says where the primary is: ${[...messages].join("; ")}`,
    )
  }

  /** Until the socket closes. */
  #watch(socket: Connected): void {
    const watchers = this.#sentinels.map((sentinel) =>
      this.#open(sentinel, {
        retryStrategy: () => WATCH_RETRY_DELAY_MS,
        // A Sentinel that is away is tried for as long.
        maxRetriesPerRequest: null,
        commandTimeout: undefined,
      }),
    )
    for (const watcher of watchers) {
      watcher.on("error", () => {})
      watcher.on("message", (_channel, message: string) => {
        if (message.startsWith(`${this.#name} `)) socket.destroy()
      })
      watcher.subscribe(SWITCHED).catch(() => {})
    }
    socket.once("close", () => {
      for (const watcher of watchers) watcher.disconnect()
    })
  }
}
