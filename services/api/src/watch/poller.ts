import { setTimeout as sleep } from "node:timers/promises"
import { batchedReads } from "@gofermart/shared/db/batched-calls.ts"
import type { Batcher } from "@gofermart/shared/runtime/batcher.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import { reasonOf } from "@gofermart/shared/runtime/reason-of.ts"

const ROWS_PER_POLL_MAX = 1_000

interface PollerOptions {
  /** What its metrics are told apart by. */
  name: string
  /** Passes between two polls. */
  intervalMs: number
}

/**
 * Watches rows for many at once: few queries per poll, whoever and however many wait, and none while
 * nobody does. A row that cannot be read, or not soon, is missed by those who watch it alone.
 *
 * It reads the tables because they are the truth: what another instance or a worker committed is
 * seen like our own, with any queue backend and with none.
 */
export class Poller<Key, Found> {
  readonly #rows: Batcher<Key, Found | undefined>
  readonly #intervalMs: number
  readonly #logger: Logger
  readonly #watchers = new Map<Key, Set<(found: Found | undefined) => void>>()
  /** Of which a poll has not come back yet. */
  readonly #beingRead = new Set<Key>()
  /** Which the last poll could not read. */
  readonly #failing = new Set<Key>()
  #polling = false

  /** `read` reads what there is of the keys. */
  constructor(
    read: (keys: Key[]) => Promise<Map<Key, Found>>,
    { name, intervalMs }: PollerOptions,
    logger: Logger,
  ) {
    this.#rows = batchedReads(name, ROWS_PER_POLL_MAX, async (keys: Key[]) => {
      const found = await read(keys)
      return keys.map((key) => found.get(key))
    })
    this.#intervalMs = intervalMs
    this.#logger = logger
  }

  /** Calls `onPoll` after every poll with what it found, until the function it gives is called. */
  watch(key: Key, onPoll: (found: Found | undefined) => void): () => void {
    const watchers = this.#watchers.get(key) ?? new Set()
    this.#watchers.set(key, watchers.add(onPoll))
    if (!this.#polling) void this.#keepPolling()
    return () => {
      watchers.delete(onPoll)
      if (watchers.size > 0 || this.#watchers.get(key) !== watchers) return
      this.#watchers.delete(key)
      this.#failing.delete(key)
    }
  }

  async #keepPolling(): Promise<void> {
    this.#polling = true
    while (this.#watchers.size > 0) {
      await sleep(this.#intervalMs, undefined, { ref: false })
      const keys = [...this.#watchers.keys()].filter((key) => !this.#beingRead.has(key))
      // The next poll waits for this one, but not for a row that takes longer than the others.
      const polls = keys.map((key) => this.#poll(key))
      if (polls.length > 0) await Promise.race(polls)
    }
    this.#polling = false
  }

  async #poll(key: Key): Promise<void> {
    this.#beingRead.add(key)
    try {
      const found = await this.#rows.add(key)
      this.#failing.delete(key)
      for (const onPoll of this.#watchers.get(key) ?? []) onPoll(found)
    } catch (error) {
      // Whoever waits goes on waiting: the next poll may see more.
      if (this.#failing.size === 0) {
        this.#logger.warn({ reason: reasonOf(error) }, "cannot poll the rows that are waited for")
      }
      if (this.#watchers.has(key)) this.#failing.add(key)
    } finally {
      this.#beingRead.delete(key)
    }
  }
}
