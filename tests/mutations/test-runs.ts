/** The suites, in the order in which they run. */
export const SUITES = ["unit", "test", "test:faults"] as const
export type Suite = (typeof SUITES)[number]

/** Files that vitest runs together. */
export interface TestRun {
  suite: Suite
  /** Where vitest's configuration is, in the checkout. */
  folder: string
  config?: string
  /** Parts of the paths of test files; each must match at least one. */
  files: string[]
}

// Not each suite as a whole, which would take hours: the files that call what is mutated, those that
// are most likely to see it first.

/** `own`: the files about the function itself; `others`: those that call it by the way. */
export const ledgerRuns = (own: string[], others: string[]): TestRun[] => [
  { suite: "test", folder: "tests", files: own },
  { suite: "test", folder: "tests", files: others },
  {
    suite: "test:faults",
    folder: "tests",
    config: "faults/vitest.config.ts",
    files: ["faults/model", "faults/races", "faults/settling"],
  },
]

export const SETTLEMENT_RUNS: TestRun[] = [
  { suite: "unit", folder: "", files: ["services/accrual-worker/src/settlement/"] },
  {
    suite: "test",
    folder: "tests",
    files: ["metrics/metrics", "system/pause.test", "system/poll-table"],
  },
  {
    suite: "test:faults",
    folder: "tests",
    config: "faults/vitest.config.ts",
    files: ["faults/failed-job", "faults/pace", "faults/scoring-answers", "faults/settling"],
  },
]

export const DOMAIN_RUNS: TestRun[] = [
  { suite: "unit", folder: "", files: ["packages/shared/src/domain/"] },
  { suite: "unit", folder: "", files: ["packages/scoring-client/src/", "tests/static/limits"] },
  {
    suite: "test",
    folder: "tests",
    files: ["api/balance", "api/orders", "refusals/bodies", "refusals/orders"],
  },
  {
    suite: "test:faults",
    folder: "tests",
    config: "faults/vitest.config.ts",
    files: ["faults/scoring-answers"],
  },
]

export const REQUEUE_RUNS: TestRun[] = [
  { suite: "unit", folder: "", files: ["services/accrual-worker/src/requeue/"] },
  { suite: "test", folder: "tests", files: ["ledger/requeue", "system/fair-share"] },
  {
    suite: "test:faults",
    folder: "tests",
    config: "faults/vitest.config.ts",
    files: ["faults/requeue-backup"],
  },
]

export const FAIR_SHARE_RUNS: TestRun[] = [
  { suite: "unit", folder: "", files: ["packages/shared/src/queue/"] },
  { suite: "test", folder: "tests", files: ["system/fair-share"] },
]

export const LEDGER_CODE_RUNS: TestRun[] = [
  {
    suite: "unit",
    folder: "",
    files: ["packages/shared/src/ledger/", "packages/shared/src/db/", "src/settlement/"],
  },
  { suite: "test", folder: "tests", files: ["ledger/verify"] },
  { suite: "test", folder: "tests", files: ["system/poll-table"] },
]
