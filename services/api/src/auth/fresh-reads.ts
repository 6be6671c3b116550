import type { Batcher } from "@gofermart/shared/runtime/batcher.ts"
import { boundedCache } from "@gofermart/shared/runtime/bounded-cache.ts"

/** How long a change that ends tokens may take to reach every instance. */
const FRESH_MS = 5_000
const ROWS_KEPT_MAX = 100_000

/** Knows what was read of each key, at most `FRESH_MS` late. */
export class FreshReads<Key extends {}, Found> {
  readonly #batcher: Batcher<Key, Found>
  readonly #known = boundedCache<Key, Promise<Found>>(ROWS_KEPT_MAX, { ttl: FRESH_MS })

  constructor(batcher: Batcher<Key, Found>) {
    this.#batcher = batcher
  }

  read(key: Key): Promise<Found> {
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const found = this.#batcher.add(key)
    found.catch(() => this.#known.delete(key))
    this.#known.set(key, found)
    return found
  }

  /** What is asked of the key next is read anew. */
  forget(key: Key): void {
    this.#known.delete(key)
  }
}
