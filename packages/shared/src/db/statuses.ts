import { type AccrualStatus, POLLED_STATUSES, SETTLED_STATUSES } from "../domain/accrual-status.ts"
import { Prisma } from "./generated/client.ts"

/** For a statement about orders that are polled: `a.status IN (${POLLED})`. */
export const POLLED = inText(POLLED_STATUSES)
/** For a statement about orders that are settled: `a.status IN (${SETTLED})`. */
export const SETTLED = inText(SETTLED_STATUSES)

/**
 * Text instead of values: PostgreSQL uses the indexes that hold polled orders alone only where it sees
 * before it has the values that a statement reads no others.
 */
function inText(statuses: AccrualStatus[]): Prisma.Sql {
  return Prisma.raw(statuses.map((status) => `'${status}'`).join(", "))
}
