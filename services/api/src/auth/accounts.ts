import { batchedReads } from "@gofermart/shared/db/batched-reads.ts"
import type { Database } from "@gofermart/shared/db/client.ts"
import type { Batcher } from "@gofermart/shared/runtime/batcher.ts"
import { LRUCache } from "lru-cache"
import type { VerifiedToken } from "./tokens.ts"

/** How long a change to a user may take to reach every instance. */
const FRESH_MS = 5_000
const USERS_KEPT_MAX = 100_000
const USERS_PER_BATCH_MAX = 256

interface Account {
  tokensValidFrom: Date
}

/** Knows which users exist, from the database, at most `FRESH_MS` late. */
export class Accounts {
  readonly #batcher: Batcher<bigint, Account | undefined>
  readonly #known = new LRUCache<bigint, Promise<Account | undefined>>({
    max: USERS_KEPT_MAX,
    ttl: FRESH_MS,
  })

  constructor(database: Database) {
    this.#batcher = batchedReads("accounts", USERS_PER_BATCH_MAX, (userIds) =>
      readAccounts(database, userIds),
    )
  }

  /** Whether the token's user exists and has not ended the tokens of that time. */
  async accepts({ userId, issuedAt }: VerifiedToken): Promise<boolean> {
    const account = await this.#find(userId)
    return account !== undefined && issuedAt >= account.tokensValidFrom
  }

  /** The next request of this user's is decided by what the database says then. */
  forget(userId: bigint): void {
    this.#known.delete(userId)
  }

  #find(userId: bigint): Promise<Account | undefined> {
    const known = this.#known.get(userId)
    if (known !== undefined) return known
    const found = this.#batcher.add(userId)
    found.catch(() => this.#known.delete(userId))
    this.#known.set(userId, found)
    return found
  }
}

async function readAccounts(
  database: Database,
  userIds: bigint[],
): Promise<(Account | undefined)[]> {
  const rows = await database.$queryRaw<(Account & { id: bigint })[]>`
    SELECT id, tokens_valid_from AS "tokensValidFrom"
      FROM users WHERE id = ANY (${userIds}::bigint[])`
  const accounts = new Map(rows.map((row) => [row.id, row]))
  return userIds.map((userId) => accounts.get(userId))
}
