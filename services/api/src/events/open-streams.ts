const STREAMS_MAX = 10_000
const STREAMS_PER_USER_MAX = 10

/** Counts the streams that are open, so that their number stays bounded. */
export class OpenStreams {
  readonly #ofUser = new Map<bigint, number>()
  #all = 0

  /** Whether another one may be opened: as a whole, and for this user. */
  roomFor(userId: bigint): "yes" | "full" | "full_for_user" {
    if (this.#of(userId) >= STREAMS_PER_USER_MAX) return "full_for_user"
    return this.#all >= STREAMS_MAX ? "full" : "yes"
  }

  /** Counts one until the function it gives is called. */
  enter(userId: bigint): () => void {
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
