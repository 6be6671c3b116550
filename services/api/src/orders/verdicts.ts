import type { Database } from "@gofermart/shared/db/client.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import { Lookout } from "../watch/lookout.ts"
import { Places } from "../watch/places.ts"

const LOOK_INTERVAL_MS = 100
/** Requests that wait at the same time; one more is answered at once. */
const WAITING_MAX = 2_000
const WAITING_PER_USER_MAX = 100

interface Wait {
  userId: bigint
  number: string
  waitMs: number
  gone: AbortSignal
}

/** Lets requests wait until an order is final. */
export class Verdicts {
  readonly #lookout: Lookout<string, true>
  readonly #places = new Places({ allMax: WAITING_MAX, perUserMax: WAITING_PER_USER_MAX })
  readonly #closing = new AbortController()

  constructor(database: Database, logger: Logger) {
    this.#lookout = new Lookout((numbers) => readFinal(database, numbers), LOOK_INTERVAL_MS, logger)
  }

  /**
   * Resolves with true as soon as the order is final, after `waitMs`, when `gone` aborts, or when
   * the server closes; at once with false when too many wait already.
   */
  async wait({ userId, number, waitMs, gone }: Wait): Promise<boolean> {
    if (this.#places.roomFor(userId) !== "yes") return false
    const leave = this.#places.take(userId)
    const done = Promise.withResolvers<void>()
    const end = () => done.resolve()
    const timer = setTimeout(end, waitMs)
    const stopWatching = this.#lookout.watch(number, (isFinal) => isFinal === true && end())
    const ended = AbortSignal.any([gone, this.#closing.signal])
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
