import type { Database } from "@gofermart/shared/db/client.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import { Poller } from "../watch/poller.ts"
import { type Holder, ConcurrencyLimiter } from "../watch/concurrency-limiter.ts"

const POLL_INTERVAL_MS = 100
/** Requests that wait at the same time; one more is answered at once. */
const WAITING_MAX = 2_000
const WAITING_PER_USER_MAX = 100

interface Wait {
  holder: Holder
  number: string
  waitMs: number
  disconnected: AbortSignal
}

/** Lets requests wait until an order is final. */
export class OrderWaiter {
  readonly #poller: Poller<string, true>
  readonly #limiter: ConcurrencyLimiter
  readonly #closing = new AbortController()

  constructor(
    database: Database,
    logger: Logger,
    { waitsPerNetworkMax }: { waitsPerNetworkMax: number },
  ) {
    this.#limiter = new ConcurrencyLimiter({
      allMax: WAITING_MAX,
      perNetworkMax: waitsPerNetworkMax,
      perUserMax: WAITING_PER_USER_MAX,
    })
    this.#poller = new Poller(
      (numbers) => readFinal(database, numbers),
      { name: "awaited_orders", intervalMs: POLL_INTERVAL_MS },
      logger,
    )
  }

  /**
   * Resolves with true as soon as the order is final, after `waitMs`, when `disconnected` aborts, or when
   * the server closes; at once with false when too many wait already.
   */
  async wait({ holder, number, waitMs, disconnected }: Wait): Promise<boolean> {
    if (this.#limiter.roomFor(holder) !== "yes") return false
    const leave = this.#limiter.take(holder)
    const done = Promise.withResolvers<void>()
    const end = () => done.resolve()
    const timer = setTimeout(end, waitMs)
    const stopWatching = this.#poller.watch(number, (isFinal) => isFinal === true && end())
    const ended = AbortSignal.any([disconnected, this.#closing.signal])
    if (ended.aborted) end()
    ended.addEventListener("abort", end)
    await done.promise
    ended.removeEventListener("abort", end)
    stopWatching()
    clearTimeout(timer)
    leave()
    return true
  }

  /** Ends every wait: the answers say what is known. */
  close(): void {
    this.#closing.abort()
  }
}

async function readFinal(database: Database, numbers: string[]): Promise<Map<string, true>> {
  const rows = await database.$queryRaw<{ number: string }[]>`
    SELECT o.number FROM orders o JOIN accruals a ON a.order_id = o.id
     WHERE o.number = ANY (${numbers}) AND a.version IS NOT NULL`
  return new Map(rows.map(({ number }) => [number, true]))
}
