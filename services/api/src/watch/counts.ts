/** How many there are of each key; a key that has none is forgotten. */
export class Counts<Key> {
  readonly #counts = new Map<Key, number>()

  get(key: Key): number {
    return this.#counts.get(key) ?? 0
  }

  add(key: Key, count: 1 | -1): void {
    const sum = this.get(key) + count
    if (sum === 0) this.#counts.delete(key)
    else this.#counts.set(key, sum)
  }
}
