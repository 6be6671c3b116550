import { type Database, sql } from "@gofermart/shared/db/client.ts"
import { isDuplicate } from "@gofermart/shared/db/errors.ts"
import { atUs } from "@gofermart/shared/db/instants.ts"
import type { VerifiedToken } from "./tokens.ts"

/** For how long after its end a token is remembered: an instance's clock may be behind the database's. */
const REMEMBERED_LONGER_MS = 3_600_000

/** Ends one token. Its row is one of a token that has expired, where there is one. */
export async function endToken(
  database: Database,
  { hash, expiresAt }: Pick<VerifiedToken, "hash" | "expiresAt">,
): Promise<void> {
  const expiry = atUs(BigInt(expiresAt.getTime()) * 1_000n)
  const forgetBefore = sql`clock_timestamp() - ${REMEMBERED_LONGER_MS}::int * interval '1 millisecond'`
  try {
    await database.$executeRaw`
      WITH expired AS (
        SELECT hash FROM ended_tokens WHERE expires_at < ${forgetBefore}
         ORDER BY expires_at LIMIT 1 FOR UPDATE SKIP LOCKED
      ), reused AS (
           UPDATE ended_tokens t SET hash = ${hash}, expires_at = ${expiry}
             FROM expired WHERE t.hash = expired.hash
        RETURNING t.hash
      )
      INSERT INTO ended_tokens (hash, expires_at)
      SELECT ${hash}, ${expiry} WHERE NOT EXISTS (SELECT FROM reused)
      ON CONFLICT DO NOTHING`
  } catch (error) {
    // Somebody else has ended it at the same time.
    if (!isDuplicate(error)) throw error
  }
}

/** Which of the tokens with these hashes were ended. */
export async function readEnded(database: Database, hashes: string[]): Promise<boolean[]> {
  const rows = await database.$queryRaw<{ hash: string }[]>`
    SELECT hash FROM ended_tokens WHERE hash = ANY (${hashes}::text[])`
  const ended = new Set(rows.map(({ hash }) => hash))
  return hashes.map((hash) => ended.has(hash))
}
