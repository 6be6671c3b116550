import { parser } from "@prometheus-io/lezer-promql"
import { type Measured, readPromql } from "./promql.ts"

/** What Prometheus has scraped, and when. */
export interface Moment {
  atS: number
  samples: Measured[]
}

/**
 * When an alert fires, of the moments at which its rule is evaluated: as Prometheus does, once its
 * expression has held for `for` without a gap.
 *
 * Of PromQL it knows `max by (…) (metric{label="value"}) == number`, and throws at anything else.
 */
export function firesAt(rule: { expr: string; for: string }, moments: Moment[]): number[] {
  const forS = secondsOf(rule.for)
  const evaluate = evaluator(rule.expr)
  const heldSince = new Map<string, number>()
  return moments.flatMap(({ atS, samples }) => {
    const holding = evaluate(samples)
    for (const group of heldSince.keys()) if (!holding.has(group)) heldSince.delete(group)
    for (const group of holding) if (!heldSince.has(group)) heldSince.set(group, atS)
    return [...heldSince.values()].some((since) => atS - since >= forS) ? [atS] : []
  })
}

/** Gives the groups of samples for which the expression holds. */
function evaluator(expr: string): (samples: Measured[]) => Set<string> {
  const { selectors, labels } = readPromql(expr)
  const [selector] = selectors
  const comparison = parser.parse(expr).topNode.firstChild
  const [aggregate, limit] = [comparison?.firstChild, comparison?.lastChild]
  const isMax = aggregate?.getChild("AggregateOp")?.firstChild?.type.name === "Max"
  const isEqual = Boolean(comparison?.getChild("Eql"))
  const isNumber = limit?.type.name === "NumberDurationLiteral"
  if (!isMax || !isEqual || !isNumber || selector === undefined || selectors.length > 1) {
    throw new Error(`not understood: ${expr}`)
  }
  const expected = Number(expr.slice(limit.from, limit.to))
  const { metric, matchers } = selector
  if (matchers.some((matcher) => matcher.operator !== "="))
    throw new Error(`not understood: ${expr}`)
  return (samples) => {
    const most = new Map<string, number>()
    for (const sample of samples) {
      const isMeant =
        sample.metric === metric &&
        matchers.every(({ label, value }) => sample.labels[label] === value)
      const group = labels.map((label) => sample.labels[label]).join()
      if (isMeant) most.set(group, Math.max(most.get(group) ?? -Infinity, sample.value))
    }
    return new Set([...most].filter(([, value]) => value === expected).map(([group]) => group))
  }
}

function secondsOf(duration: string): number {
  const [, amount, unit] = /^(\d+)([smh])$/.exec(duration) ?? []
  const seconds = { s: 1, m: 60, h: 3_600 }[unit ?? ""]
  if (seconds === undefined) throw new Error(`not understood: ${duration}`)
  return Number(amount) * seconds
}
