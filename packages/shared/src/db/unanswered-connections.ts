import { type RoutedClient, type RoutedConfig } from "./routed-client.ts"
import { withClient } from "./with-client.ts"

/** How often the database is asked what has become of the statements. */
const ASK_INTERVAL_MS = 5_000
const ANSWER_TIMEOUT_MS = 5_000

/**
 * Connections whose statement nobody waits for any more, and which the server has not answered: their
 * commits may wait for a standby. No limit for statements ends that, and whether the client is still
 * there does not matter to it. So they count as in use: a pool that opened others in their place would
 * fill the server with them.
 *
 * One is let go when it is answered or breaks, and when the database that answers now knows nothing of the
 * statement: it has ended there, or the address leads to another server.
 */
export class UnansweredConnections {
  readonly #config: RoutedConfig
  readonly #letGo = new Map<RoutedClient, () => void>()
  #asking: NodeJS.Timeout | undefined
  #isClosed = false

  /** `config`: how to connect to ask. */
  constructor({ route, options }: RoutedConfig) {
    this.#config = {
      route,
      ...(options !== undefined && { options }),
      application_name: "gofermart-unanswered",
      connectionTimeoutMillis: ANSWER_TIMEOUT_MS,
      query_timeout: ANSWER_TIMEOUT_MS,
    }
  }

  /** Calls `release` when the connection is no longer needed. */
  keep(client: RoutedClient, release: () => void): void {
    if (this.#isClosed) return release()
    const letGo = () => {
      if (!this.#letGo.delete(client)) return
      client.off("drain", letGo)
      client.off("end", letGo)
      release()
    }
    this.#letGo.set(client, letGo)
    client.on("drain", letGo)
    client.on("end", letGo)
    this.#askLater()
  }

  /** Lets all of them go, and keeps none from now on. */
  dropAll(): void {
    this.#isClosed = true
    clearTimeout(this.#asking)
    for (const letGo of this.#letGo.values()) letGo()
  }

  #askLater(): void {
    this.#asking ??= setTimeout(() => void this.#ask(), ASK_INTERVAL_MS).unref()
  }

  async #ask(): Promise<void> {
    const clients = [...this.#letGo.keys()]
    if (clients.length > 0) {
      // A database that cannot be asked says nothing of them.
      const active = await this.#askWhichAreActive(clients).catch(() => undefined)
      for (const client of clients) {
        if (active !== undefined && !active.has(processOf(client))) this.#letGo.get(client)?.()
      }
    }
    this.#asking = undefined
    if (this.#letGo.size > 0 && !this.#isClosed) this.#askLater()
  }

  #askWhichAreActive(clients: RoutedClient[]): Promise<Set<number | null>> {
    return withClient(this.#config, async (asking) => {
      const { rows } = await asking.query<{ pid: number }>(
        "SELECT pid FROM pg_stat_activity WHERE pid = ANY($1::int[]) AND state = 'active'",
        [clients.map(processOf)],
      )
      return new Set(rows.map(({ pid }) => pid))
    })
  }
}

/** The server process of a connection, as the server has told it. */
function processOf(client: RoutedClient): number | null {
  return (client as unknown as { processID: number | null }).processID
}
