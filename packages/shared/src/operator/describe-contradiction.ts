import { sql } from "../db/client.ts"
import { showInstant, usOf } from "../db/instants.ts"
import type { Decimal } from "../domain/points.ts"

/** What the scoring system last said against a verdict; its instants in microseconds since 1970. */
export interface ContradictionRow {
  status: string
  value: Decimal | null
  times: number
  firstSeenAtUs: bigint
  lastSeenAtUs: bigint
}

/** What a `ContradictionRow` is read from: `contradictions c`. */
export const CONTRADICTION_COLUMNS = sql`
  c.status::text, c.value, c.times,
  ${usOf(sql`c.first_seen_at`)} AS "firstSeenAtUs",
  ${usOf(sql`c.last_seen_at`)} AS "lastSeenAtUs"`

/** What the scoring system said against a verdict, how often, and when. */
export function describeContradiction(contradiction: ContradictionRow): string {
  const { times, firstSeenAtUs, lastSeenAtUs } = contradiction
  const often = times === 1 ? "once" : `${times} times, the first at ${showInstant(firstSeenAtUs)}`
  return `by ${describeVerdict(contradiction)} at ${showInstant(lastSeenAtUs)}, ${often}`
}

/** A status, and the points that only PROCESSED comes with. */
export function describeVerdict({
  status,
  value,
}: {
  status: string
  value: Decimal | null
}): string {
  return value === null ? status : `${status} ${value.toFixed(2)}`
}
