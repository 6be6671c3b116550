import type { AnsweredOrder, Settlement } from "@gofermart/shared/ledger/settle-accruals.ts"
import { SECONDS_BUCKETS, secondsSince } from "@gofermart/shared/runtime/metrics.ts"
import { Counter, Histogram } from "prom-client"
import type { Answer } from "@gofermart/scoring-client/answer.ts"

const scoringTime = new Histogram({
  name: "gofermart_scoring_call_duration_seconds",
  help: "How long the scoring system took, by what it answered.",
  labelNames: ["answer"],
  buckets: SECONDS_BUCKETS,
})
const settledOrders = new Counter({
  name: "gofermart_orders_settled_total",
  help: "Orders that this worker has settled, by verdict.",
  labelNames: ["verdict"],
})
const creditedPoints = new Counter({
  name: "gofermart_points_credited_hundredths_total",
  help: "Points that this worker has credited, in hundredths: a sum of floats would not be exact.",
})
const contradictions = new Counter({
  name: "gofermart_verdicts_contradicted_total",
  help: "Answers that contradict an order's verdict, which stays as it is.",
})

/** `begun`: what `performance.now()` was. */
export function measureCall(answer: Answer, begun: number): void {
  scoringTime.observe({ answer: kindOf(answer) }, secondsSince(begun))
}

/** The answer in one word: a verdict, or why there is none. */
export function kindOf(answer: Answer): string {
  return (answer.kind === "valid" ? answer.answer.kind : answer.kind).toLowerCase()
}

export function countSettlement(answer: AnsweredOrder["answer"], settlement: Settlement): void {
  if (settlement.outcome === "contradicted") contradictions.inc()
  if (settlement.outcome !== "settled") return
  const verdict = answer.kind === "NOT_REGISTERED" ? "unregistered" : answer.kind.toLowerCase()
  settledOrders.inc({ verdict })
  if (answer.kind === "PROCESSED") creditedPoints.inc(answer.points)
}
