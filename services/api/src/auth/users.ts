import { type Database, sql } from "@gofermart/shared/db/client.ts"
import { isDuplicate } from "@gofermart/shared/db/errors.ts"
import { msOf } from "@gofermart/shared/db/instants.ts"

/**
 * How far after its own time a statement that ends a user's tokens ends them. A login may read the
 * user while that statement is still being committed, so later than its time and before it counts;
 * the token of such a login must be one of the ended ones. A login that does see it is not hindered:
 * its token is of no time before the end of the others.
 */
const TOKENS_ENDED_AHEAD_MS = 1_000

/** A user as of an instant by the database's clock, which is the only one that dates tokens. */
export interface DatedUser {
  id: bigint
  /** In whole milliseconds; a token issued at it is not among those that the user has ended. */
  asOf: Date
}

/** Creates a user with an empty balance; undefined when the login is taken. */
export async function createUser(
  database: Database,
  login: string,
  password: string,
): Promise<DatedUser | undefined> {
  try {
    const [user] = await database.$queryRaw<DatedRow[]>`
      WITH created AS (
        INSERT INTO users (login, password) VALUES (${login}, ${password})
        RETURNING id, ${AS_OF_TOKENS}
      ), balance AS (
        INSERT INTO user_balances (user_id) SELECT id FROM created
      )
      SELECT * FROM created`
    return user && dated(user)
  } catch (error) {
    if (isDuplicate(error)) return undefined
    throw error
  }
}

/** Undefined also for a user whose tokens end at infinity: an operator lets them have none. */
export async function findUser(
  database: Database,
  login: string,
): Promise<(DatedUser & { password: string }) | undefined> {
  const [user] = await database.$queryRaw<(DatedRow & { password: string })[]>`
    SELECT id, password,
           ${msOf(sql`greatest(clock_timestamp(), tokens_valid_from)`)} AS "asOfMs"
      FROM users
     WHERE login = ${login} AND isfinite(tokens_valid_from)`
  return user && { ...dated(user), password: user.password }
}

interface DatedRow {
  id: bigint
  asOfMs: bigint
}

function dated({ id, asOfMs }: DatedRow): DatedUser {
  return { id, asOf: new Date(Number(asOfMs)) }
}

/** Of a user whose tokens are all of later. */
const AS_OF_TOKENS = sql`${msOf(sql`tokens_valid_from`)} AS "asOfMs"`

const END_OF_TOKENS = sql`
  greatest(
    date_trunc('milliseconds', clock_timestamp())
      + ${TOKENS_ENDED_AHEAD_MS}::int * interval '1 millisecond',
    tokens_valid_from + interval '1 millisecond')`

/** Ends every token that the user has. */
export async function endTokens(database: Database, id: bigint): Promise<void> {
  await database.$executeRaw`
    UPDATE users SET tokens_valid_from = ${END_OF_TOKENS} WHERE id = ${id}`
}

/**
 * Replaces the hash of the password and ends every token; undefined when the hash is not `from` any
 * more, so that of two changes at once one happens.
 */
export async function replacePassword(
  database: Database,
  id: bigint,
  { from, to }: { from: string; to: string },
): Promise<DatedUser | undefined> {
  const [user] = await database.$queryRaw<DatedRow[]>`
       UPDATE users
          SET password = ${to}, tokens_valid_from = ${END_OF_TOKENS}
        WHERE id = ${id} AND password = ${from} AND isfinite(tokens_valid_from)
    RETURNING id, ${AS_OF_TOKENS}`
  return user && dated(user)
}
