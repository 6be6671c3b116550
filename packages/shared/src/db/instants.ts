import type { Prisma } from "./generated/client.ts"
import { sql } from "./client.ts"

// An instant passes between us and PostgreSQL as a whole number of microseconds since 1970. As a date
// or as a text it would depend on the session's time zone and date style, which the server, the role,
// the database or a pooler may set; as a `float8` on its `extra_float_digits`. So a column `at` is
// read by `usOf`.

// PostgreSQL's instants reach further than a bigint of microseconds and than a `Date`, to infinity.
const FIRST = sql`'0001-01-01 00:00:00Z'::timestamptz`
const LAST = sql`'9999-12-31 23:59:59Z'::timestamptz`

/**
 * An instant in a statement. What somebody wrote by hand that is earlier than the year 1 or later than 9999
 * is read as the first or the last of these: one row fails no list. Null stays null.
 */
export function boundedInstant(at: Prisma.Sql): Prisma.Sql {
  return sql`CASE WHEN ${at} IS NOT NULL THEN least(greatest(${at}, ${FIRST}), ${LAST}) END`
}

/** An instant in microseconds since 1970, in a statement; see `boundedInstant`. */
export function usOf(at: Prisma.Sql): Prisma.Sql {
  return sql`(extract(epoch FROM ${boundedInstant(at)}) * 1000000)::bigint`
}

/** The same in whole milliseconds, cut: what tokens need. */
export function msOf(at: Prisma.Sql): Prisma.Sql {
  return sql`floor(extract(epoch FROM ${boundedInstant(at)}) * 1000)::bigint`
}

/** The instant at `epochUs` microseconds since 1970, for a statement. */
export function atUs(epochUs: bigint): Prisma.Sql {
  return sql`('epoch'::timestamptz + ${epochUs}::bigint * interval '1 microsecond')`
}

/** Microseconds since 1970 in ISO 8601, in UTC, cut to milliseconds, as clients are shown them. */
export function showInstant(epochUs: bigint | number): string {
  return new Date(Number(epochUs) / 1_000).toISOString()
}
