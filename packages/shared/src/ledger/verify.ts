import { unionAll } from "../db/columns.ts"
import { type Database, sql } from "../db/client.ts"
import type { Line } from "./history.ts"

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
  discrepancyCount: number
  /** The first of them. */
  discrepancies: Discrepancy[]
}

/** Of one page. */
const DISCREPANCIES_LISTED_MAX = 100
/** Users whose histories one statement reads. */
const USERS_PER_PAGE_MAX = 1_000

export interface LedgerPage extends LedgerReport {
  /** The last user of the page; undefined when there was none left. */
  lastUserId: bigint | undefined
}

/**
 * Checks the promise that a balance is never negative and always explained, over every user: the
 * balance, the lifetime sum spent, and the balance after each line of the history, by version.
 *
 * A user's lines are read in one statement, hence one snapshot, hence right under load. The sums
 * over all users are those of many snapshots. `report`: told of the users checked so far.
 */
export async function verifyLedger(
  database: Database,
  report: (users: number) => void = () => {},
): Promise<LedgerReport> {
  const whole: LedgerReport = { ...NOTHING, orders: {}, discrepancies: [] }
  for (let after = 0n; ;) {
    const page = await checkUsers(database, after, USERS_PER_PAGE_MAX)
    if (page.lastUserId === undefined) return whole
    after = page.lastUserId
    whole.users += page.users
    whole.withdrawals += page.withdrawals
    whole.credited = addDecimals(whole.credited, page.credited)
    whole.withdrawn = addDecimals(whole.withdrawn, page.withdrawn)
    for (const [status, count] of Object.entries(page.orders)) {
      whole.orders[status] = (whole.orders[status] ?? 0) + count
    }
    whole.discrepancyCount += page.discrepancyCount
    whole.discrepancies.push(...page.discrepancies)
    report(whole.users)
  }
}

const NOTHING = {
  users: 0,
  withdrawals: 0,
  credited: "0.00",
  withdrawn: "0.00",
  discrepancyCount: 0,
}

/** Adds two decimals with two places, which need not fit into `Points`. */
function addDecimals(a: string, b: string): string {
  const hundredths = BigInt(a.replace(".", "")) + BigInt(b.replace(".", ""))
  const digits = String(hundredths).padStart(3, "0")
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`
}

/** What each kind of line adds to a balance, and to the sum spent. */
const MOVES: Record<Line["kind"], ReturnType<typeof sql>> = {
  accrual: sql`
    SELECT user_id, version, coalesce(value, 0.00) AS credited, 0.00 AS withdrawn, balance_after
      FROM credits WHERE version IS NOT NULL`,
  withdrawal: sql`
    SELECT user_id, version, 0.00 AS credited, value AS withdrawn, balance_after FROM debits`,
}

/** Checks up to `usersMax` users, by their ids, from the one after `afterUserId` on. */
export async function checkUsers(
  database: Database,
  afterUserId: bigint,
  usersMax: number,
): Promise<LedgerPage> {
  const [row] = await database.$queryRaw<Row[]>`
    WITH page AS MATERIALIZED (
      SELECT id, login FROM users WHERE id > ${afterUserId} ORDER BY id LIMIT ${usersMax}
    ), credits AS MATERIALIZED (
      SELECT a.* FROM accruals a WHERE a.user_id = ANY (ARRAY(SELECT id FROM page))
    ), debits AS MATERIALIZED (
      SELECT w.* FROM withdrawals w WHERE w.user_id = ANY (ARRAY(SELECT id FROM page))
    ), history AS (
      ${unionAll(Object.values(MOVES))}
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
    ), unexplained AS (
      SELECT p.id AS user_id, concat_ws('; ',
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
        FROM page p
        LEFT JOIN user_balances b ON b.user_id = p.id
        LEFT JOIN explained e ON e.user_id = p.id
    ), discrepancies AS (
      SELECT user_id, reason FROM unexplained WHERE reason <> ''
       UNION ALL
      -- An order is uploaded, or named by a withdrawal, or both.
      SELECT o.user_id, format('order %s has no accrual', o.number)
        FROM orders o LEFT JOIN accruals a ON a.order_id = o.id
       WHERE o.user_id = ANY (ARRAY(SELECT id FROM page)) AND o.uploaded_at IS NOT NULL
         AND a.order_id IS NULL
       UNION ALL
      SELECT DISTINCT o.user_id, format('order %s has no accrual', o.number)
        FROM debits w JOIN orders o ON o.id = w.order_id
        LEFT JOIN accruals a ON a.order_id = o.id
       WHERE o.uploaded_at IS NULL AND a.order_id IS NULL
       UNION ALL
      SELECT w.user_id, format('a withdrawal is against order %s of another user', o.number)
        FROM debits w JOIN orders o ON o.id = w.order_id
       WHERE o.user_id <> w.user_id
       UNION ALL
      SELECT o.user_id, format('the accrual of order %s names another user', o.number)
        FROM credits a JOIN orders o ON o.id = a.order_id
       WHERE a.user_id <> o.user_id
    )
    SELECT (SELECT count(*) FROM page)::int AS users,
           (SELECT count(*) FROM discrepancies)::int AS "discrepancyCount",
           (SELECT max(id) FROM page) AS "lastUserId",
           (SELECT count(*) FROM debits)::int AS withdrawals,
           (SELECT coalesce(jsonb_object_agg(status, n), '{}')
              FROM (SELECT status, count(*) AS n FROM credits GROUP BY status) s) AS orders,
           (SELECT coalesce(sum(credited), 0.00)::text FROM explained) AS credited,
           (SELECT coalesce(sum(withdrawn), 0.00)::text FROM explained) AS withdrawn,
           (SELECT coalesce(jsonb_agg(jsonb_build_object(
                     'userId', d.user_id, 'login', u.login, 'reason', d.reason)), '[]')
              FROM (SELECT * FROM discrepancies ORDER BY user_id
                     LIMIT ${DISCREPANCIES_LISTED_MAX}) d
              JOIN users u ON u.id = d.user_id) AS discrepancies`
  if (row === undefined) throw new Error("the verification returned no row")
  return {
    ...row,
    lastUserId: row.lastUserId ?? undefined,
    discrepancies: row.discrepancies.map((d) => ({ ...d, userId: BigInt(d.userId) })),
  }
}

type Row = Omit<LedgerReport, "discrepancies"> & {
  lastUserId: bigint | null
  discrepancies: { userId: number; login: string; reason: string }[]
}
