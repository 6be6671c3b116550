import type { Database, SqlValue } from "@gofermart/shared/db/client.ts"
import { RateLimiterPostgres, RateLimiterRes } from "rate-limiter-flexible"

/** How many attempts of one kind a key may make in a window. */
export interface Policy {
  /** Names the policy to clients, and its keys in the database. */
  name: string
  attemptsMax: number
  windowMs: number
}

/** How far a key is from its limit. */
export interface Standing {
  policy: Policy
  /** Attempts that may still be made in this window. */
  remaining: number
  /** When the window ends, in milliseconds since 1970. */
  endsAtMs: number
}

export type Taken = Standing & { refused: boolean }

/** Counts attempts in the database, so over all instances, in windows that begin with the first. */
export class Quota {
  readonly #database: Database
  readonly #policy: Policy
  readonly #limiter: RateLimiterPostgres

  constructor(database: Database, policy: Policy) {
    this.#database = database
    this.#policy = policy
    this.#limiter = new RateLimiterPostgres({
      storeClient: storeClient(database),
      storeType: "client",
      tableName: "throttles",
      tableCreated: true,
      keyPrefix: policy.name,
      points: policy.attemptsMax,
      duration: policy.windowMs / 1_000,
    })
  }

  /** Takes one attempt from the key's, if there is one. */
  async take(key: string): Promise<Taken> {
    try {
      return { ...this.#standing(await this.#limiter.consume(key)), refused: false }
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error
      const standing = this.#standing(error)
      // It was counted, and one that is not made must not stand in the way of one that is.
      await this.giveBack(key, standing)
      return { ...standing, refused: true }
    }
  }

  /**
   * Gives back an attempt that was taken in the window of `standing`. When that window is over,
   * there is nothing to give back: the next one must not begin with more than its attempts.
   */
  async giveBack(key: string, standing: Standing): Promise<void> {
    await this.#database.throttle.updateMany({
      where: {
        key: this.#limiter.getKey(key),
        expire: { lte: standing.endsAtMs },
        points: { gt: 0 },
      },
      data: { points: { decrement: 1 } },
    })
  }

  #standing({ remainingPoints, msBeforeNext }: RateLimiterRes): Standing {
    const endsAtMs = Date.now() + msBeforeNext
    return { policy: this.#policy, remaining: remainingPoints, endsAtMs }
  }
}

/** What the library needs of node-postgres, on the connections that everything here uses. */
function storeClient(database: Database) {
  return {
    async query({ text, values }: { text: string; values: SqlValue[] }) {
      const found = await database.$queryRawUnsafe<{ points: number; expire: bigint }[]>(
        text,
        ...values,
      )
      // The library calculates with the time, and a bigint does not mix with numbers.
      const rows = found.map(({ points, expire }) => ({ points, expire: Number(expire) }))
      return { rows, rowCount: rows.length }
    },
  }
}
