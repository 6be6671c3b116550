/** Counts what is held open, for all users and for each, so that it stays bounded. */
export class Places {
  readonly #allMax: number
  readonly #perUserMax: number
  readonly #ofUser = new Map<bigint, number>()
  #all = 0

  constructor({ allMax, perUserMax }: { allMax: number; perUserMax: number }) {
    this.#allMax = allMax
    this.#perUserMax = perUserMax
  }

  /** Whether there is a place for one more: at all, and of this user's. */
  roomFor(userId: bigint): "yes" | "full" | "full_for_user" {
    if (this.#of(userId) >= this.#perUserMax) return "full_for_user"
    return this.#all >= this.#allMax ? "full" : "yes"
  }

  /** Takes a place until the function it gives is called. */
  take(userId: bigint): () => void {
    this.#all += 1
    this.#ofUser.set(userId, this.#of(userId) + 1)
    return () => {
      this.#all -= 1
      const left = this.#of(userId) - 1
      if (left === 0) this.#ofUser.delete(userId)
      else this.#ofUser.set(userId, left)
    }
  }

  #of(userId: bigint): number {
    return this.#ofUser.get(userId) ?? 0
  }
}
