import { setTimeout as sleep } from "node:timers/promises"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"

/**
 * Watches rows for many at once: one query per look, whoever and however many wait, and none while
 * nobody does.
 *
 * It reads the tables because they are the truth: what another instance or a worker committed is
 * seen like our own, with any queue backend and with none.
 */
export class Lookout<Key, Found> {
  readonly #look: (keys: Key[]) => Promise<Map<Key, Found>>
  readonly #intervalMs: number
  readonly #logger: Logger
  readonly #watchers = new Map<Key, Set<(found: Found | undefined) => void>>()
  #looking = false
  #failing = false

  /** `look` reads what there is of the keys; between two looks pass `intervalMs`. */
  constructor(look: (keys: Key[]) => Promise<Map<Key, Found>>, intervalMs: number, logger: Logger) {
    this.#look = look
    this.#intervalMs = intervalMs
    this.#logger = logger
  }

  /** Calls `onLook` after every look with what it found, until the function it gives is called. */
  watch(key: Key, onLook: (found: Found | undefined) => void): () => void {
    const watchers = this.#watchers.get(key) ?? new Set()
    this.#watchers.set(key, watchers.add(onLook))
    if (!this.#looking) void this.#keepLooking()
    return () => {
      watchers.delete(onLook)
      if (watchers.size === 0 && this.#watchers.get(key) === watchers) this.#watchers.delete(key)
    }
  }

  async #keepLooking(): Promise<void> {
    this.#looking = true
    while (this.#watchers.size > 0) {
      await sleep(this.#intervalMs, undefined, { ref: false })
      await this.#lookOnce()
    }
    this.#looking = false
  }

  async #lookOnce(): Promise<void> {
    try {
      const found = await this.#look([...this.#watchers.keys()])
      this.#failing = false
      for (const [key, watchers] of this.#watchers) {
        for (const onLook of watchers) onLook(found.get(key))
      }
    } catch (error) {
      // Whoever waits goes on waiting: the next look may see more.
      if (!this.#failing) this.#logger.warn({ err: error }, "cannot look at what is waited for")
      this.#failing = true
    }
  }
}
