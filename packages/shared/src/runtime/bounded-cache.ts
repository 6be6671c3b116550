import { LRUCache } from "lru-cache"

/**
 * A cache of the `entriesMax` entries used last; `ttl`, in milliseconds, also ends each of them.
 *
 * The entries are counted by a size of 1: room for them is then made as they come. By `max`, which lays
 * it out in advance, an API took 14 MB and a tenth of a second for caches that are empty.
 */
export function boundedCache<Key extends {}, Value extends {}>(
  entriesMax: number,
  options: { ttl?: number } = {},
): LRUCache<Key, Value> {
  return new LRUCache({ ...options, maxSize: entriesMax, sizeCalculation: () => 1 })
}
