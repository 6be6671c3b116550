import type { Database } from "../db/client.ts"
import type { Points } from "../domain/points.ts"
import { knownOutcome, type Outcomes, outcomesOf } from "./outcomes.ts"
import { retry } from "../db/retry.ts"

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

/** See prisma/functions/settle_accruals.sql. */
export const SETTLE_OUTCOMES = [
  "settled",
  "waiting",
  "locked",
  "already_settled",
  "contradicted",
  "not_awaited",
] as const

export interface Settlement {
  outcome: (typeof SETTLE_OUTCOMES)[number]
  /** Since the upload was accepted; null when nobody uploaded the order, or it is settled now. */
  ageMs: number | null
  /** Since the scoring system first answered that it does not know the order; else null. */
  unknownMs: number | null
}

const SETTLED: Settlement = { outcome: "settled", ageMs: null, unknownMs: null }

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
  const [told] = await retry(
    () => database.$queryRaw<[Outcomes<Settlement>]>`
      SELECT count(*) FILTER (WHERE outcome = 'settled')::int AS usual,
             jsonb_object_agg(position, jsonb_build_object(
               'outcome', outcome, 'ageMs', age_ms, 'unknownMs', unknown_ms))
               FILTER (WHERE outcome <> 'settled') AS others
        FROM settle_accruals(${numbers}::text[], ${answers}::text[], ${hundredths}::bigint[],
                             ${graceMs}::bigint)
             WITH ORDINALITY AS s (outcome, age_ms, unknown_ms, position)`,
  )
  const settlements = outcomesOf(answered, SETTLED, told)
  for (const { outcome } of settlements) knownOutcome(SETTLE_OUTCOMES, outcome)
  return settlements
}
