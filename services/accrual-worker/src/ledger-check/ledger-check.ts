import { setTimeout as sleep } from "node:timers/promises"
import type { Database } from "@gofermart/shared/db/client.ts"
import { isStatementTimeout } from "@gofermart/shared/db/errors.ts"
import { checkUsers } from "@gofermart/shared/ledger/verify.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"

/** Users whose histories one statement reads; fewer when it takes too long. */
const USERS_PER_RANGE_MAX = 500
/** Who took a range and did not come back has died: another worker takes it. */
const LEASE_MS = 60_000
/** How often a worker looks whether there is a range to check. */
const LOOK_INTERVAL_MS = 5_000
/** Checking takes the database for this part of the time at most, whoever does it. */
const TIME_PART_MAX = 1 / 10

interface CheckParts {
  database: Database
  logger: Logger
}

/**
 * Checks that every balance is explained, range after range of users, and begins anew `intervalMs`
 * after it came to the end; until the signal aborts. The workers share the work by a row in the
 * database, which also holds what was found: the API's metrics tell it.
 */
export async function checkLedger(
  parts: CheckParts,
  intervalMs: number,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const restMs = await checkRange(parts, intervalMs).catch((error: unknown) => {
      parts.logger.warn({ err: error }, "the ledger's check did not finish its range")
      return undefined
    })
    await sleep(restMs ?? LOOK_INTERVAL_MS, undefined, { signal }).catch(() => {})
  }
}

/** Resolves with after how many milliseconds the next range may follow; undefined: not soon. */
async function checkRange(
  { database, logger }: CheckParts,
  intervalMs: number,
): Promise<number | undefined> {
  const [claimed] = await database.$queryRaw<{ afterUserId: bigint }[]>`
    UPDATE ledger_check
       SET due_at = clock_timestamp() + ${LEASE_MS}::float8 * interval '1 millisecond'
     WHERE due_at <= clock_timestamp()
    RETURNING after_user_id AS "afterUserId"`
  if (claimed === undefined) return undefined
  const begun = performance.now()
  const page = await checkSomeUsers(database, claimed.afterUserId)
  for (const { userId, login, reason } of page.discrepancies) {
    logger.error({ userId: String(userId), login, reason }, "a balance is not explained")
  }
  if (page.lastUserId !== undefined) {
    const restMs = (performance.now() - begun) * (1 / TIME_PART_MAX - 1)
    await database.$executeRaw`
      UPDATE ledger_check
         SET after_user_id = ${page.lastUserId}, users = users + ${page.users},
             discrepancies = discrepancies + ${page.discrepancyCount},
             due_at = clock_timestamp() + ${restMs}::float8 * interval '1 millisecond'
       WHERE after_user_id = ${claimed.afterUserId}`
    return restMs
  }
  await database.$executeRaw`
    UPDATE ledger_check
       SET last_users = users, last_discrepancies = discrepancies,
           last_ended_at = clock_timestamp(), after_user_id = 0, users = 0, discrepancies = 0,
           due_at = clock_timestamp() + ${intervalMs}::float8 * interval '1 millisecond'
     WHERE after_user_id = ${claimed.afterUserId}`
  return undefined
}

/** A user with a very long history may take a statement of its own. */
async function checkSomeUsers(database: Database, afterUserId: bigint) {
  for (let usersMax = USERS_PER_RANGE_MAX; ; usersMax = Math.ceil(usersMax / 100)) {
    try {
      return await checkUsers(database, afterUserId, usersMax)
    } catch (error) {
      if (!isStatementTimeout(error) || usersMax === 1) throw error
    }
  }
}
