import type { Database } from "@gofermart/shared/db/client.ts"
import type { FastifyReply } from "fastify"
import { boundedCache } from "@gofermart/shared/runtime/bounded-cache.ts"
import pLimit, { type LimitFunction } from "p-limit"
import { OverloadedError } from "../http/errors.ts"
import { setRateLimitHeaders } from "../http/rate-limit-headers.ts"
import { type Policy, Quota, type Standing, type Taken } from "./quota.ts"

/** For how long a key without attempts is not asked about: another instance may give one back. */
const REFUSED_UNASKED_MS = 5_000
const REFUSED_KEYS_MAX = 100_000
/** Of one key on this instance. */
const ATTEMPTS_WAITING_MAX = 1_000

/** What became of an attempt: it was refused, or made, with this result. */
export type Attempt<Result> =
  | { refused: true; standing: Standing }
  | { refused: false; standing: Standing; result: Result }

/** Tells the client how many attempts it has left, and when there are more. */
export function tellAttempts(reply: FastifyReply, { refused, standing }: Attempt<unknown>): void {
  const { policy, remaining, endsAtMs } = standing
  setRateLimitHeaders(reply, refused, {
    name: policy.name,
    max: policy.attemptsMax,
    windowS: Math.ceil(policy.windowMs / 1_000),
    remaining,
    secondsLeft: Math.max(1, Math.ceil((endsAtMs - Date.now()) / 1_000)),
  })
}

/** The attempts of one key on this instance. */
interface Line {
  oneAtATime: LimitFunction
  underWay: Set<Promise<void>>
  /** Those that wait or are under way: without any, the line is forgotten. */
  length: number
}

/**
 * Lets only so many attempts be made per key and window, on all instances together, of those that
 * count in the end.
 *
 * An attempt is taken from the quota before it is made, so that many at once cannot pass, and given
 * back when it turns out not to count. When others of its key that are under way on this instance
 * have taken the last, an attempt waits for what becomes of them: it is refused only because of some
 * that do count. While the database does not answer, nothing is attempted.
 */
export class Throttle {
  readonly #quota: Quota
  /** So that a flood on a key that is refused costs no query. */
  readonly #refused = boundedCache<string, Taken>(REFUSED_KEYS_MAX, { ttl: REFUSED_UNASKED_MS })
  readonly #lines = new Map<string, Line>()

  constructor(database: Database, policy: Policy) {
    this.#quota = new Quota(database, policy)
  }

  /** Makes the attempt if the key has one left. One that throws does not count. */
  async attempt<Result>(
    key: string,
    make: () => Promise<Result>,
    counts: (result: Result) => boolean,
  ): Promise<Attempt<Result>> {
    const line = this.#enter(key)
    try {
      const { attempt } = await line.oneAtATime(async () => {
        const { refused, ...standing } = await this.#take(key, line.underWay)
        if (refused) return { attempt: { refused, standing } }
        const made = this.#make(key, standing, make, counts)
        followUp(made, line.underWay)
        return { attempt: made }
      })
      return await attempt
    } finally {
      this.#leave(key, line)
    }
  }

  /**
   * Nobody else of the key gets under way while this looks, so each round has fewer of them than the
   * one before.
   */
  async #take(key: string, underWay: Set<Promise<void>>): Promise<Taken> {
    for (;;) {
      const known = this.#refused.get(key)
      if (known !== undefined && known.endsAtMs > Date.now()) return known
      const others = underWay.size
      const taken = await this.#quota.take(key)
      if (!taken.refused) return taken
      if (others === 0) {
        this.#refused.set(key, taken)
        return taken
      }
      if (underWay.size === others) await Promise.race(underWay)
    }
  }

  async #make<Result>(
    key: string,
    standing: Standing,
    make: () => Promise<Result>,
    counts: (result: Result) => boolean,
  ): Promise<Attempt<Result>> {
    let counted = false
    try {
      const result = await make()
      counted = counts(result)
      const remaining = standing.remaining + (counted ? 0 : 1)
      return { refused: false, standing: { ...standing, remaining }, result }
    } finally {
      if (!counted) await this.#quota.giveBack(key, standing)
    }
  }

  #enter(key: string): Line {
    const line = this.#lines.get(key) ?? {
      oneAtATime: pLimit(1),
      underWay: new Set<Promise<void>>(),
      length: 0,
    }
    if (line.oneAtATime.pendingCount >= ATTEMPTS_WAITING_MAX) {
      throw new OverloadedError("too many attempts wait for others of the same key")
    }
    line.length += 1
    this.#lines.set(key, line)
    return line
  }

  #leave(key: string, line: Line): void {
    line.length -= 1
    if (line.length === 0) this.#lines.delete(key)
  }
}

/** Keeps the attempt among those under way until it has ended, however it ends. */
function followUp(made: Promise<unknown>, underWay: Set<Promise<void>>): void {
  const end = () => void underWay.delete(ended)
  const ended: Promise<void> = made.then(end, end)
  underWay.add(ended)
}
