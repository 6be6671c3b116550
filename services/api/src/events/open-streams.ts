import {
  type Full,
  type Holder,
  type ConcurrencyLimits,
  ConcurrencyLimiter,
} from "../watch/concurrency-limiter.ts"

interface OpenStream {
  networks: Holder["networks"]
  replace: () => void
}

/**
 * Knows the streams that are open. Where there is no place for one more, a user's newest takes that of
 * their oldest: the client of an old one may have vanished without a word, and a browser that is
 * refused a stream does not ask again.
 */
export class OpenStreams {
  readonly #limiter: ConcurrencyLimiter
  /** Of each user, the oldest first. */
  readonly #ofUser = new Map<bigint, Set<OpenStream>>()

  constructor(limits: ConcurrencyLimits) {
    this.#limiter = new ConcurrencyLimiter(limits)
  }

  /**
   * Takes a place until the function it gives is called, or until another takes it, when
   * `onReplaced` is called. Without a place it gives the reason.
   */
  open(holder: Holder, onReplaced: () => void): (() => void) | Full {
    const room = this.#limiter.roomFor(holder)
    if (room !== "yes") {
      const oldest = this.#oldestOf(holder)
      if (oldest === undefined) return room
      oldest.replace()
    }
    const release = this.#limiter.take(holder)
    const streams = this.#ofUser.get(holder.userId) ?? new Set()
    const leave = () => {
      if (!streams.delete(stream)) return
      if (streams.size === 0) this.#ofUser.delete(holder.userId)
      release()
    }
    const stream = {
      networks: holder.networks,
      replace: () => {
        leave()
        onReplaced()
      },
    }
    this.#ofUser.set(holder.userId, streams.add(stream))
    return leave
  }

  /** Of the user's streams, the oldest whose place would be enough. */
  #oldestOf(holder: Holder): OpenStream | undefined {
    const streams = [...(this.#ofUser.get(holder.userId) ?? [])]
    const full = this.#limiter.fullNetworkOf(holder)
    return full === undefined
      ? streams[0]
      : streams.find(({ networks }) => networks.some(({ name }) => name === full))
  }
}
