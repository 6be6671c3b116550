import { batchedReads } from "@gofermart/shared/db/batched-calls.ts"
import { type Database, sql } from "@gofermart/shared/db/client.ts"
import { msOf } from "@gofermart/shared/db/instants.ts"
import { endToken, readEnded } from "./ended-tokens.ts"
import { FreshReads } from "./fresh-reads.ts"
import type { VerifiedToken } from "./tokens.ts"

const ROWS_PER_BATCH_MAX = 256

interface Account {
  /** Milliseconds since 1970. */
  tokensValidFromMs: number
}

/** Knows which users exist and which tokens have ended, from the database, a few seconds late at most. */
export class Accounts {
  readonly #database: Database
  readonly #users: FreshReads<bigint, Account | undefined>
  readonly #ended: FreshReads<string, boolean>

  constructor(database: Database) {
    this.#database = database
    this.#users = new FreshReads(
      batchedReads("accounts", ROWS_PER_BATCH_MAX, (ids) => readAccounts(database, ids)),
    )
    this.#ended = new FreshReads(
      batchedReads("ended_tokens", ROWS_PER_BATCH_MAX, (hashes) => readEnded(database, hashes)),
    )
  }

  /** Whether the token's user exists and has ended neither it nor the tokens of that time. */
  async accepts(token: VerifiedToken): Promise<boolean> {
    const [account, isEnded] = await Promise.all([
      this.#users.read(token.userId),
      this.isEnded(token),
    ])
    if (account === undefined || isEnded) return false
    return token.issuedAt.getTime() >= account.tokensValidFromMs
  }

  /** Whether this very token was logged out. */
  isEnded({ hash }: VerifiedToken): Promise<boolean> {
    return this.#ended.read(hash)
  }

  /** Ends this very token: here at once, elsewhere within seconds. */
  async end(token: VerifiedToken): Promise<void> {
    await endToken(this.#database, token)
    this.#ended.forget(token.hash)
  }

  /** The next request of this user's is decided by what the database says then. */
  forget(userId: bigint): void {
    this.#users.forget(userId)
  }
}

async function readAccounts(
  database: Database,
  userIds: bigint[],
): Promise<(Account | undefined)[]> {
  const rows = await database.$queryRaw<{ id: bigint; validFromMs: bigint }[]>`
    SELECT id, ${msOf(sql`tokens_valid_from`)} AS "validFromMs"
      FROM users WHERE id = ANY (${userIds}::bigint[])`
  const accounts = new Map(
    rows.map(({ id, validFromMs }) => [id, { tokensValidFromMs: Number(validFromMs) }]),
  )
  return userIds.map((userId) => accounts.get(userId))
}
