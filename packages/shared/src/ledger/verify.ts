import type { Database } from "../db/client.ts"

/** A user whose balance is not what the rows that explain it add up to. */
interface Discrepancy {
  userId: bigint
  login: string
  reason: string
}

export interface LedgerReport {
  users: number
  orders: Record<string, number>
  withdrawals: number
  /** Over all users, as decimals: a sum of many balances need not fit into `Points`. */
  credited: string
  withdrawn: string
  discrepancies: Discrepancy[]
}

const DISCREPANCIES_LISTED_MAX = 100

/**
 * Checks the promise that a balance is never negative and always explained, over every user: the
 * balance, the lifetime sum spent, and the balance after each line of the history, by version.
 *
 * It is one statement, hence one snapshot, hence right under load.
 */
export async function verifyLedger(database: Database): Promise<LedgerReport> {
  const [row] = await database.$queryRaw<Row[]>`
    WITH history AS (
      SELECT o.user_id, a.version, coalesce(a.value, 0.00) AS credited, 0.00 AS withdrawn,
             a.balance_after
        FROM accruals a JOIN orders o ON o.id = a.order_id
       WHERE a.version IS NOT NULL
       UNION ALL
      SELECT user_id, version, 0.00, value, balance_after FROM withdrawals
    ), lines AS (
      SELECT *, sum(credited - withdrawn) OVER w AS expected,
             version = lag(version) OVER w AS version_repeated
        FROM history
      WINDOW w AS (PARTITION BY user_id ORDER BY version)
    ), explained AS (
      SELECT user_id, sum(credited) AS credited, sum(withdrawn) AS withdrawn,
             max(version) AS version,
             bool_or(balance_after <> expected OR expected < 0) AS line_wrong,
             bool_or(version_repeated) AS version_repeated
        FROM lines GROUP BY user_id
    ), discrepancies AS (
      SELECT u.id AS "userId", u.login,
             concat_ws('; ',
               CASE WHEN b.user_id IS NULL THEN 'there is no balance row' END,
               CASE WHEN b.accrual < 0 THEN 'the balance is negative' END,
               CASE WHEN b.accrual <> coalesce(e.credited - e.withdrawn, 0.00)
                 THEN format('the balance is %s, the rows say %s', b.accrual,
                             coalesce(e.credited - e.withdrawn, 0.00)) END,
               CASE WHEN b.withdrawal <> coalesce(e.withdrawn, 0.00)
                 THEN format('the sum spent is %s, the rows say %s', b.withdrawal,
                             coalesce(e.withdrawn, 0.00)) END,
               CASE WHEN e.version > b.version THEN 'a line is newer than the balance' END,
               CASE WHEN e.version_repeated THEN 'two lines share a version' END,
               CASE WHEN e.line_wrong THEN 'a line states a wrong balance' END) AS reason
        FROM users u
        LEFT JOIN user_balances b ON b.user_id = u.id
        LEFT JOIN explained e ON e.user_id = u.id
    ), wrong AS (
      SELECT * FROM discrepancies WHERE reason <> '' ORDER BY "userId"
       LIMIT ${DISCREPANCIES_LISTED_MAX}
    ), unpaired AS (
      SELECT o.user_id AS "userId", u.login,
             format('order %s has no accrual', o.number) AS reason
        FROM orders o
        JOIN users u ON u.id = o.user_id
        LEFT JOIN accruals a ON a.order_id = o.id
       WHERE a.order_id IS NULL
       LIMIT ${DISCREPANCIES_LISTED_MAX}
    ), misplaced AS (
      SELECT w.user_id AS "userId", u.login,
             format('a withdrawal is against order %s of another user', o.number) AS reason
        FROM withdrawals w
        JOIN users u ON u.id = w.user_id
        JOIN orders o ON o.id = w.order_id
       WHERE o.user_id <> w.user_id
       LIMIT ${DISCREPANCIES_LISTED_MAX}
    ), estranged AS (
      SELECT o.user_id AS "userId", u.login,
             format('the accrual of order %s names another user', o.number) AS reason
        FROM accruals a
        JOIN orders o ON o.id = a.order_id
        JOIN users u ON u.id = o.user_id
       WHERE a.user_id <> o.user_id
       LIMIT ${DISCREPANCIES_LISTED_MAX}
    )
    SELECT (SELECT count(*) FROM users)::int AS users,
           (SELECT count(*) FROM withdrawals)::int AS withdrawals,
           (SELECT coalesce(jsonb_object_agg(status, n), '{}')
              FROM (SELECT status, count(*) AS n FROM accruals GROUP BY status) s) AS orders,
           (SELECT coalesce(sum(credited), 0.00)::text FROM explained) AS credited,
           (SELECT coalesce(sum(withdrawn), 0.00)::text FROM explained) AS withdrawn,
           (SELECT coalesce(jsonb_agg(w), '[]')
              FROM (SELECT * FROM wrong UNION ALL SELECT * FROM unpaired
                     UNION ALL SELECT * FROM misplaced
                     UNION ALL SELECT * FROM estranged) w) AS discrepancies`
  if (row === undefined) throw new Error("the verification returned no row")
  return {
    ...row,
    discrepancies: row.discrepancies.map((d) => ({ ...d, userId: BigInt(d.userId) })),
  }
}

type Row = Omit<LedgerReport, "discrepancies"> & {
  discrepancies: { userId: number; login: string; reason: string }[]
}
