import { boundedCache } from "@gofermart/shared/runtime/bounded-cache.ts"
import { OverloadedError } from "../http/errors.ts"
import { Counts } from "../watch/counts.ts"

const LATELY_MS = 60_000
const SERVED_LATELY_MAX = 10_000

/**
 * Runs work, so much of it at once, in turns: each key that waits has one piece run before any has
 * the next. So whoever brings much waits for themselves.
 */
export class RoundRobin {
  readonly #atOnceMax: number
  readonly #waitingMax: number
  /** By key, in the order of their turns; none is empty. */
  readonly #waiting = new Map<string, Piece[]>()
  /** How many wait, by the widest that their key is in. */
  readonly #waitingWithin = new Counts<string>()
  readonly #servedLately = boundedCache<string, true>(SERVED_LATELY_MAX, { ttl: LATELY_MS })
  #waitingInAll = 0
  #running = 0

  constructor({ atOnceMax, waitingMax }: { atOnceMax: number; waitingMax: number }) {
    this.#atOnceMax = atOnceMax
    this.#waitingMax = waitingMax
  }

  /**
   * `names`: the key, then what it is in. Rejects with `OverloadedError` when too much waits, and nobody has
   * more of it than this key and what it is in.
   */
  async run<Result>(
    names: readonly [string, ...string[]],
    work: () => Promise<Result>,
  ): Promise<Result> {
    const [key] = names
    if (this.#running < this.#atOnceMax) this.#running += 1
    else await this.#turnOf(key, names.at(-1) ?? key)
    this.#servedLately.set(key, true)
    try {
      return await work()
    } finally {
      this.#startNext()
    }
  }

  #turnOf(key: string, within: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const ofKey = this.#waiting.get(key) ?? []
    ofKey.push({ within, begin: resolve, refuse: reject })
    this.#waiting.set(key, ofKey)
    this.#waitingInAll += 1
    this.#waitingWithin.add(within, 1)
    if (this.#waitingInAll > this.#waitingMax) this.#refuseOne()
    return promise
  }

  #startNext(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#running -= 1
      return
    }
    const [key, ofKey] = next
    const piece = this.#leave(ofKey.shift())
    // The key's next piece has its turn after those of all the others.
    this.#waiting.delete(key)
    if (ofKey.length > 0) this.#waiting.set(key, ofKey)
    piece?.begin()
  }

  /** The latest of the key that has most. */
  #refuseOne(): void {
    const key = this.#whoHasMost()
    const ofKey = this.#waiting.get(key) ?? []
    const piece = this.#leave(ofKey.pop())
    if (ofKey.length === 0) this.#waiting.delete(key)
    piece?.refuse(new OverloadedError("too much waits for its turn"))
  }

  #leave(piece: Piece | undefined): Piece | undefined {
    if (piece === undefined) return undefined
    this.#waitingInAll -= 1
    this.#waitingWithin.add(piece.within, -1)
    return piece
  }

  /**
   * The key that is refused: of the network that has most, the one that has most itself. Of several with as
   * much, one that was served lately, so that a crowd of keys that come again and again shuts nobody else
   * out. Of those the one whose turn is last: whose turn is next has waited longest.
   */
  #whoHasMost(): string {
    const waiting = [...this.#waiting].map(([key, pieces]) => {
      const within = pieces[0]?.within ?? key
      return { key, own: pieces.length, inAll: this.#waitingWithin.get(within) }
    })
    const mostInAll = Math.max(...waiting.map(({ inAll }) => inAll))
    const candidates = waiting.filter(({ inAll }) => inAll === mostInAll)
    const most = Math.max(...candidates.map(({ own }) => own))
    const keys = candidates.filter(({ own }) => own === most).map(({ key }) => key)
    const [next = "", ...later] = keys
    return later.findLast((key) => this.#servedLately.has(key)) ?? later.at(-1) ?? next
  }
}

interface Piece {
  /** The widest that its key is in. */
  within: string
  begin: () => void
  refuse: (error: Error) => void
}
