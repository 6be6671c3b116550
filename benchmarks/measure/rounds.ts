import type { CpuClock } from "./cpu.ts"
import type { Report } from "./progress.ts"

/** What a side did in one run. */
export interface Done {
  operations: number
  seconds: number
  p50Ms?: number
  p99Ms?: number
}

export interface Run extends Done {
  /** CPU seconds by part. */
  cpu: Record<string, number>
}

/** One of the things that are compared. */
export interface Side {
  name: string
  /** The parts whose CPU time belongs to it. */
  clocks: Record<string, CpuClock>
  /** Whatever has to be there before a run and is not part of it. */
  prepare?: () => Promise<unknown>
  run: () => Promise<Done>
}

/**
 * Runs the sides side by side: one run of each, so many times over, in alternating order, so that
 * what changes on the machine meanwhile meets all of them. One round goes ahead and does not count.
 */
export async function alternate(
  sides: Side[],
  rounds: number,
  report: Report,
): Promise<Map<string, Run[]>> {
  const runs = new Map<string, Run[]>(sides.map(({ name }) => [name, []]))
  for (let round = 0; round <= rounds; round++) {
    const order = round % 2 === 0 ? sides : sides.toReversed()
    for (const side of order) {
      report(round, rounds + 1, side.name)
      await side.prepare?.()
      const run = await withCpu(side.clocks, side.run)
      if (round > 0) runs.get(side.name)?.push(run)
    }
  }
  return runs
}

/** Adds what the parts' clocks went on by while it ran. */
export async function withCpu<Ran extends Done>(
  clocks: Side["clocks"],
  run: () => Promise<Ran>,
): Promise<Ran & Run> {
  const before = read(clocks)
  const done = await run()
  return { ...done, cpu: differences(read(clocks), before) }
}

function read(clocks: Record<string, CpuClock>): Record<string, number> {
  return Object.fromEntries(Object.entries(clocks).map(([part, clock]) => [part, clock()]))
}

function differences(after: Record<string, number>, before: Record<string, number>) {
  return Object.fromEntries(
    Object.entries(after).map(([part, seconds]) => [part, seconds - (before[part] ?? 0)]),
  )
}

/** How long it takes to do so much. */
export async function timed(operations: number, work: () => Promise<unknown>): Promise<Done> {
  const begun = performance.now()
  await work()
  return { operations, seconds: (performance.now() - begun) / 1_000 }
}

export function perSecond({ operations, seconds }: Done): number {
  return operations / seconds
}

/** In milliseconds; NaN for a run that has no latencies. */
export function p50Ms(run: Run): number {
  return run.p50Ms ?? Number.NaN
}

/** In milliseconds; NaN for a run that has no latencies. */
export function p99Ms(run: Run): number {
  return run.p99Ms ?? Number.NaN
}

/** Of each round, the one side's figure to the other's; none when one of the sides did not run. */
export function ratios(
  runs: Map<string, Run[]>,
  one: string,
  other: string,
  figure: (run: Run) => number,
): number[] {
  const others = runs.get(other)
  if (others === undefined) return []
  return (runs.get(one) ?? []).map((run, i) => figure(run) / figure(others[i] as Run))
}
