import type { Answer } from "@gofermart/scoring-client/answer.ts"
import { STATUS_RULES } from "@gofermart/shared/domain/accrual-status.ts"
import { type Points, pointsToNumber } from "@gofermart/shared/domain/points.ts"
import { showWholeInstant } from "../command-line/arguments.ts"
import type { SettledOrder } from "./settled-orders.ts"

type Compared = Extract<Answer, { kind: "valid" | "broken" }>

type Finding = "same" | "different" | "not final" | "unknown" | "unusable"

const DIFFERENCES: Finding[] = ["different", "not final", "unknown"]

/** What was answered about settled orders, beside what they are settled as. */
export class Findings {
  readonly #counts: Record<Finding, number> = {
    same: 0,
    different: 0,
    "not final": 0,
    unknown: 0,
    unusable: 0,
  }
  readonly #told: string[] = []

  get polled(): number {
    return Object.values(this.#counts).reduce((sum, count) => sum + count)
  }

  get differences(): number {
    return DIFFERENCES.reduce((sum, finding) => sum + this.#counts[finding], 0)
  }

  get unusable(): number {
    return this.#counts.unusable
  }

  add(order: SettledOrder, answer: Compared): void {
    const finding = compare(order, answer)
    this.#counts[finding] += 1
    if (finding === "same") return
    const settled = `${describeVerdict(order.status, order.points)} since ${showWholeInstant(order.settledAtUs)}`
    const label = finding.toUpperCase().padEnd(12)
    this.#told.push(`${label} order ${order.number}: ${settled}, now ${describeAnswer(answer)}`)
  }

  /** A line for each order that was not answered as it is settled, then the counts. */
  lines(): string[] {
    const counts = Object.entries({ polled: this.polled, ...this.#counts })
    return [...this.#told, ...counts.map(([name, count]) => `${name.padEnd(12)} ${count}`)]
  }
}

function compare({ status, points }: SettledOrder, answer: Compared): Finding {
  if (answer.kind === "broken") return "unusable"
  const isSameAnswer = answer.answer.kind === STATUS_RULES[status].settledBy
  switch (answer.answer.kind) {
    case "NOT_FINAL":
      return "not final"
    case "NOT_REGISTERED":
      return isSameAnswer ? "same" : "unknown"
    case "INVALID":
      return isSameAnswer ? "same" : "different"
    case "PROCESSED":
      return isSameAnswer && points === answer.answer.points ? "same" : "different"
  }
}

function describeAnswer(answer: Compared): string {
  if (answer.kind === "broken") return `no answer that can be used (${answer.reason})`
  switch (answer.answer.kind) {
    case "NOT_FINAL":
      return "not final"
    case "NOT_REGISTERED":
      return "not registered"
    case "INVALID":
      return "INVALID"
    case "PROCESSED":
      return describeVerdict("PROCESSED", answer.answer.points)
  }
}

function describeVerdict(status: string, points: Points | null): string {
  return points === null ? status : `${status} ${pointsToNumber(points).toFixed(2)}`
}
