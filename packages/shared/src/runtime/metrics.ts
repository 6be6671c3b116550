import { collectDefaultMetrics } from "prom-client"

/** From a statement that PostgreSQL answers at once to one that a timeout ends. */
export const SECONDS_BUCKETS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
]
export const COUNT_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256]

/** Begins to measure the process itself: event-loop lag, memory, garbage collection, CPU time. */
export function measureProcess(): void {
  collectDefaultMetrics()
}

/** `begun`: what `performance.now()` was. */
export function secondsSince(begun: number): number {
  return (performance.now() - begun) / 1_000
}
