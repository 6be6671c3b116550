import { batchedReads } from "@gofermart/shared/db/batched-calls.ts"
import type { Database } from "@gofermart/shared/db/client.ts"
import { type Points, pointsFromHundredths } from "@gofermart/shared/domain/points.ts"
import type { Batcher } from "@gofermart/shared/runtime/batcher.ts"

const BALANCES_PER_BATCH_MAX = 256

interface Balance {
  current: Points
  withdrawn: Points
}

/** Reads balances, those that are asked for at once in one statement. */
export class Balances {
  readonly #batcher: Batcher<bigint, Balance | undefined>

  constructor(database: Database) {
    this.#batcher = batchedReads("balances", BALANCES_PER_BATCH_MAX, (ids) =>
      readBalances(database, ids),
    )
  }

  /** As committed by now; undefined for no user. Rejects with `BatcherFullError` under overload. */
  read(userId: bigint): Promise<Balance | undefined> {
    return this.#batcher.add(userId)
  }
}

async function readBalances(
  database: Database,
  userIds: bigint[],
): Promise<(Balance | undefined)[]> {
  const rows = await database.$queryRaw<Row[]>`
    SELECT user_id AS "userId", (accrual * 100)::bigint AS current,
           (withdrawal * 100)::bigint AS withdrawn
      FROM user_balances WHERE user_id = ANY (${userIds}::bigint[])`
  const balances = new Map(
    rows.map(({ userId, current, withdrawn }) => [
      userId,
      { current: pointsFromHundredths(current), withdrawn: pointsFromHundredths(withdrawn) },
    ]),
  )
  return userIds.map((userId) => balances.get(userId))
}

interface Row {
  userId: bigint
  current: bigint
  withdrawn: bigint
}
