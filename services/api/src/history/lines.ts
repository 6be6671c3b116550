import type { Database } from "@gofermart/shared/db/client.ts"
import type { AccrualStatus } from "@gofermart/shared/domain/accrual-status.ts"

/** A version of an account: an order that was settled, or a withdrawal, and the balance after it. */
export interface Line {
  version: bigint
  number: string
  /** Of an order; null for a withdrawal. */
  status: AccrualStatus | null
  uploadedAt: Date | null
  /** What was earned or spent; null when the order earned nothing. */
  value: Decimal | null
  balanceAfter: Decimal
  at: Date
}

type Decimal = { toFixed(decimals: number): string }

/** The lines of an account after a version, oldest first. */
export function readLinesAfter(
  database: Database,
  userId: bigint,
  version: bigint,
  limit: number,
): Promise<Line[]> {
  return database.$queryRaw<Line[]>`
    SELECT * FROM (
      (SELECT a.version, o.number, a.status::text, o.uploaded_at AS "uploadedAt", a.value,
              a.balance_after AS "balanceAfter", a.updated_at AS at
         FROM accruals a JOIN orders o ON o.id = a.order_id
        WHERE a.user_id = ${userId} AND a.version > ${version}
        ORDER BY a.version LIMIT ${limit})
       UNION ALL
      (SELECT w.version, o.number, NULL, NULL, w.value, w.balance_after, w.created_at
         FROM withdrawals w JOIN orders o ON o.id = w.order_id
        WHERE w.user_id = ${userId} AND w.version > ${version}
        ORDER BY w.version LIMIT ${limit})
    ) lines ORDER BY version LIMIT ${limit}`
}

/** The lines that moved points, before a version, newest first. */
export function readMovesBefore(
  database: Database,
  userId: bigint,
  version: bigint | undefined,
  limit: number,
): Promise<Line[]> {
  const before = version ?? VERSION_MAX
  return database.$queryRaw<Line[]>`
    SELECT * FROM (
      (SELECT a.version, o.number, a.status::text, o.uploaded_at AS "uploadedAt", a.value,
              a.balance_after AS "balanceAfter", a.updated_at AS at
         FROM accruals a JOIN orders o ON o.id = a.order_id
        WHERE a.user_id = ${userId} AND a.version < ${before} AND a.value > 0
        ORDER BY a.version DESC LIMIT ${limit})
       UNION ALL
      (SELECT w.version, o.number, NULL, NULL, w.value, w.balance_after, w.created_at
         FROM withdrawals w JOIN orders o ON o.id = w.order_id
        WHERE w.user_id = ${userId} AND w.version < ${before}
        ORDER BY w.version DESC LIMIT ${limit})
    ) lines ORDER BY version DESC LIMIT ${limit}`
}

/** PostgreSQL's largest bigint: no version reaches it. */
const VERSION_MAX = 2n ** 63n - 1n
