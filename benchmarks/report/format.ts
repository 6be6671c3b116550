import { p50Ms, p99Ms, perSecond, type Run } from "../measure/rounds.ts"
import { type Spread, spread } from "../measure/statistics.ts"
import type { Row } from "../scenarios/scenario.ts"

/** Whether the median reaches the target; undefined where there is none. */
export function isReached({ ratios, target }: Row): boolean | undefined {
  if (target === undefined || ratios.length === 0) return undefined
  const { median } = spread(ratios)
  return "atLeast" in target ? median >= target.atLeast : median <= target.atMost
}

export function targetText({ target }: Row): string {
  if (target === undefined) return "report"
  return "atLeast" in target ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`
}

/** The median, with the quartiles of the paired ratios. */
export function ratioText({ ratios }: Row): string {
  if (ratios.length === 0) return "not measured"
  if (ratios.length === 1) return spread(ratios).median.toFixed(2)
  return spreadText(spread(ratios))
}

/** As the tables of docs/PERFORMANCE.md have it. */
export function spreadText({ median, low, high }: Spread): string {
  return `${median.toFixed(2)} [${low.toFixed(2)}–${high.toFixed(2)}]`
}

/** The figures of one side: a rate, latencies where it has them, and CPU per operation by part. */
export function sideText(runs: Run[]): string {
  const rate = `${Math.round(spread(runs.map(perSecond)).median)}/s`
  const latencies = [
    { name: "p50", values: runs.map(p50Ms) },
    { name: "p99", values: runs.map(p99Ms) },
  ].filter(({ values }) => values.every(Number.isFinite))
  const latencyTexts = latencies.map(
    ({ name, values }) => `${name} ${spread(values).median.toFixed(1)} ms`,
  )
  const cpu = Object.entries(cpuPerOperationUs(runs)).map(([part, us]) => `${part} ${us} µs`)
  return [rate, ...latencyTexts, ...cpu].join(", ")
}

/** CPU microseconds per operation, by part. */
function cpuPerOperationUs(runs: Run[]): Record<string, number> {
  const operations = runs.reduce((sum, run) => sum + run.operations, 0)
  const parts = Object.keys(runs[0]?.cpu ?? {})
  return Object.fromEntries(
    parts.map((part) => {
      const seconds = runs.reduce((sum, run) => sum + (run.cpu[part] ?? 0), 0)
      return [part, Math.round((seconds / operations) * 1e6)]
    }),
  )
}
