import type { Database } from "@gofermart/shared/db/client.ts"
import { LRUCache } from "lru-cache"
import type { VerifiedToken } from "./tokens.ts"

/** How long a change to a user may take to reach every instance. */
const FRESH_MS = 5_000
const USERS_KEPT_MAX = 100_000

interface Account {
  tokensValidFrom: Date
}

/** Knows which users exist, from the database, at most `FRESH_MS` late. */
export class Accounts {
  readonly #database: Database
  readonly #known = new LRUCache<bigint, Promise<Account | null>>({
    max: USERS_KEPT_MAX,
    ttl: FRESH_MS,
  })

  constructor(database: Database) {
    this.#database = database
  }

  /** Whether the token's user exists and has not ended the tokens of that time. */
  async accepts({ userId, issuedAt }: VerifiedToken): Promise<boolean> {
    const account = await this.#find(userId)
    return account !== null && issuedAt >= account.tokensValidFrom
  }

  /** The next request of this user's is decided by what the database says then. */
  forget(userId: bigint): void {
    this.#known.delete(userId)
  }

  #find(userId: bigint): Promise<Account | null> {
    const known = this.#known.get(userId)
    if (known !== undefined) return known
    const found = this.#database.user.findUnique({
      where: { id: userId },
      select: { tokensValidFrom: true },
    })
    const kept = found.then((account) => account)
    kept.catch(() => this.#known.delete(userId))
    this.#known.set(userId, kept)
    return kept
  }
}
