import type { Database } from "../db/client.ts"
import type { Points } from "../domain/points.ts"
import { repeat } from "./repeat.ts"

/** A valid answer of the scoring system about an order. */
export type ScoringAnswer =
  | { kind: "PROCESSED"; points: Points }
  | { kind: "INVALID" }
  | { kind: "NOT_FINAL" }
  | { kind: "NOT_REGISTERED" }

export interface AnsweredOrder {
  number: string
  answer: ScoringAnswer
}

export interface Settlement {
  /** See `settle_accruals` in the migrations. */
  outcome: "settled" | "waiting" | "locked" | "already_settled" | "contradicted" | "not_awaited"
  /** Since the upload was accepted; null when nobody uploaded the order. */
  ageMs: number | null
  /** Since the scoring system first answered that it does not know the order; null when it does. */
  unknownMs: number | null
}

/**
 * Applies answers in one transaction; one result per answer, in their order. An accrual moves to its
 * verdict only if it still awaits one, and each balance grows by exactly what the moved ones are
 * worth: doing it twice does nothing the second time.
 *
 * `graceMs`: for how long an order may be unknown to the scoring system before it is settled as
 * UNREGISTERED, by the database's clock.
 */
export async function settleAccruals(
  database: Database,
  answered: AnsweredOrder[],
  graceMs: number,
): Promise<Settlement[]> {
  const numbers = answered.map(({ number }) => number)
  const answers = answered.map(({ answer }) => answer.kind)
  const hundredths = answered.map(({ answer }) =>
    answer.kind === "PROCESSED" ? answer.points : null,
  )
  const rows = await repeat(
    () => database.$queryRaw<Row[]>`
      SELECT outcome, age_ms, unknown_ms
        FROM settle_accruals(${numbers}::text[], ${answers}::text[], ${hundredths}::bigint[],
                             ${graceMs}::bigint)`,
  )
  return rows.map(({ outcome, age_ms, unknown_ms }) => ({
    outcome,
    ageMs: age_ms === null ? null : Number(age_ms),
    unknownMs: unknown_ms === null ? null : Number(unknown_ms),
  }))
}

interface Row {
  outcome: Settlement["outcome"]
  age_ms: bigint | null
  unknown_ms: bigint | null
}
