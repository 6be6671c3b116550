import type { Database } from "@gofermart/shared/db/client.ts"
import {
  CONTRADICTION_COLUMNS,
  type ContradictionRow,
  describeContradiction,
  describeVerdict,
} from "@gofermart/shared/operator/describe-contradiction.ts"
import { type Backends, say } from "./command-line/backends.ts"

/** Of one list. */
export const CONTRADICTIONS_LISTED_MAX = 1_000
export const CONTRADICTIONS_LISTED_DEFAULT = 20

/** Tells which verdicts the scoring system has contradicted, the latest first. */
export async function showContradictions(
  { database }: Backends,
  listedMax: number,
): Promise<number> {
  const count = await database.contradiction.count()
  const latest = await readLatest(database, listedMax)
  for (const row of latest) {
    const { number, login, verdict, points } = row
    const settled =
      verdict === null ? "nothing" : describeVerdict({ status: verdict, value: points })
    say(`order ${number} of ${login}, ${settled}, is contradicted ${describeContradiction(row)}`)
  }
  const untold = count - latest.length
  say(`${count} orders are contradicted${untold > 0 ? `, ${untold} not told` : ""}.`)
  return 0
}

interface Row extends ContradictionRow {
  number: string
  login: string
  /** What the order is settled as; null for no accrual, which the ledger's check tells of. */
  verdict: string | null
  points: ContradictionRow["value"]
}

function readLatest(database: Database, limit: number): Promise<Row[]> {
  return database.$queryRaw<Row[]>`
    SELECT ${CONTRADICTION_COLUMNS}, o.number, u.login, a.status::text AS verdict, a.value AS points
      FROM contradictions c
      JOIN orders o ON o.id = c.order_id
      JOIN users u ON u.id = o.user_id
      LEFT JOIN accruals a ON a.order_id = c.order_id
     ORDER BY c.last_seen_at DESC, c.order_id DESC
     LIMIT ${limit}`
}
