import type { SqlValue } from "@gofermart/shared/db/client.ts"
import type { LearnedLimit } from "./learned-limit.ts"
import type { SharedPace } from "./shared-pace.ts"

type Others = Omit<SharedPace, "limit">

/** The fields of a pace as the row has them: the limit's beside the others. */
export type PaceFields = LearnedLimit & Others

interface Column {
  name: string
  /** A `timestamptz` in the row, epoch milliseconds here. */
  isInstant: boolean
}

const plain = (name: string): Column => ({ name, isInstant: false })
const instant = (name: string): Column => ({ name, isInstant: true })

/** What was learned of the limit is read and written as one. A field without a column does not compile. */
const LIMIT: Record<keyof LearnedLimit, Column> = {
  perMinute: plain("limit_per_minute"),
  isConfirmed: plain("is_confirmed"),
  isClimbing: plain("is_climbing"),
  windowBeganAt: instant("window_began_at"),
  calls: plain("calls"),
  windowsHeld: plain("windows_held"),
  failedProbes: plain("failed_probes"),
}
const OTHERS: Record<keyof Others, Column> = {
  answerMs: plain("answer_ms"),
  downSince: instant("down_since"),
  recoveredAt: instant("recovered_at"),
}
const COLUMNS = Object.entries({ ...LIMIT, ...OTHERS }) as [keyof PaceFields, Column][]

/** Of a SELECT: each field under its own name. */
export const SELECTED_FIELDS = COLUMNS.map(([field, { name, isInstant }]) =>
  isInstant
    ? `(extract(epoch FROM ${name}) * 1000)::float8 AS "${field}"`
    : `${name} AS "${field}"`,
).join(", ")

/** Of an UPDATE: each column from `$1` on, in the order of `valuesOf`. */
export const ASSIGNED_COLUMNS = COLUMNS.map(([, { name, isInstant }], i) =>
  isInstant ? `${name} = to_timestamp($${i + 1}::float8 / 1000)` : `${name} = $${i + 1}`,
).join(", ")

export function valuesOf({ limit, ...others }: SharedPace): SqlValue[] {
  const fields: PaceFields = { ...limit, ...others }
  return COLUMNS.map(([field]) => fields[field])
}

export function paceOf({ answerMs, downSince, recoveredAt, ...limit }: PaceFields): SharedPace {
  return { limit, answerMs, downSince, recoveredAt }
}
