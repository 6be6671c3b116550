import { type Columns, select, unionAll } from "../db/columns.ts"
import { type Database, sql } from "../db/client.ts"
import { usOf } from "../db/instants.ts"
import type { SettledStatus } from "../domain/accrual-status.ts"
import type { Decimal } from "../domain/points.ts"

/** PostgreSQL's largest bigint: no version reaches it. */
export const VERSION_MAX = 2n ** 63n - 1n

interface AnyLine {
  version: bigint
  number: string
  balanceAfter: Decimal
  /** Microseconds since 1970. */
  atUs: bigint
}

/** An order that was settled. */
interface AccrualLine extends AnyLine {
  kind: "accrual"
  status: SettledStatus
  /** Microseconds since 1970. */
  uploadedAtUs: bigint
  /** What was earned; null when the order earned nothing. */
  value: Decimal | null
}

/** Points that were spent. */
interface WithdrawalLine extends AnyLine {
  kind: "withdrawal"
  status: null
  uploadedAtUs: null
  value: Decimal
}

/** A version of an account: what made it, and the balance after it. */
export type Line = AccrualLine | WithdrawalLine

type Fragment = ReturnType<typeof sql>

/** Where the lines of a kind are read. */
interface LineSource {
  columns: Columns<Line>
  from: Fragment
  userId: Fragment
  /** Whether the line changed the balance. */
  movedPoints: Fragment
}

const SOURCES: Record<Line["kind"], LineSource> = {
  accrual: {
    columns: {
      kind: sql`'accrual'::text`,
      version: sql`a.version`,
      number: sql`o.number`,
      status: sql`a.status::text`,
      uploadedAtUs: usOf(sql`o.uploaded_at`),
      value: sql`a.value`,
      balanceAfter: sql`a.balance_after`,
      atUs: usOf(sql`a.updated_at`),
    },
    from: sql`accruals a JOIN orders o ON o.id = a.order_id`,
    userId: sql`a.user_id`,
    movedPoints: sql`a.value > 0`,
  },
  withdrawal: {
    columns: {
      kind: sql`'withdrawal'::text`,
      version: sql`w.version`,
      number: sql`o.number`,
      status: sql`NULL::text`,
      uploadedAtUs: sql`NULL::bigint`,
      value: sql`w.value`,
      balanceAfter: sql`w.balance_after`,
      atUs: usOf(sql`w.created_at`),
    },
    from: sql`withdrawals w JOIN orders o ON o.id = w.order_id`,
    userId: sql`w.user_id`,
    movedPoints: sql`true`,
  },
}

export const LINE_KINDS = Object.keys(SOURCES) as Line["kind"][]

/** The lines of an account after a version, oldest first. */
export function readLinesAfter(
  database: Database,
  userId: bigint,
  version: bigint,
  limit: number,
): Promise<Line[]> {
  const isAfter = ({ columns }: LineSource) => sql`${columns.version} > ${version}`
  return readLines(database, userId, isAfter, sql`version`, limit)
}

/** The lines of an account before a version, newest first; all of them, or those that moved points. */
export function readLinesBefore(
  database: Database,
  userId: bigint,
  version: bigint,
  limit: number,
  which: "all" | "movedPoints",
): Promise<Line[]> {
  const isBefore = ({ columns, movedPoints }: LineSource) =>
    which === "all"
      ? sql`${columns.version} < ${version}`
      : sql`${columns.version} < ${version} AND ${movedPoints}`
  return readLines(database, userId, isBefore, sql`version DESC`, limit)
}

/** Each kind is read by its index, no further than to the limit. */
function readLines(
  database: Database,
  userId: bigint,
  isWanted: (source: LineSource) => Fragment,
  order: Fragment,
  limit: number,
): Promise<Line[]> {
  const ofEachKind = Object.values(SOURCES).map(
    (source) => sql`
      (SELECT ${select(source.columns)} FROM ${source.from}
        WHERE ${source.userId} = ${userId} AND ${isWanted(source)}
        ORDER BY ${order} LIMIT ${limit})`,
  )
  return database.$queryRaw<Line[]>`
    SELECT * FROM (${unionAll(ofEachKind)}) lines ORDER BY ${order} LIMIT ${limit}`
}
