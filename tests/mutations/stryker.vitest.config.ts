import { defineConfig } from "vitest/config"

/** The units beside what Stryker breaks: with all others each mutant would take ten times as long. */
export default defineConfig({
  test: {
    include: [
      "packages/shared/src/domain/*.test.ts",
      "packages/scoring-client/src/*.test.ts",
      "services/accrual-worker/src/{pacing,settlement}/*.test.ts",
    ],
    isolate: false,
    fakeTimers: { fakeNodeBuiltins: true },
    testTimeout: 30_000,
  },
})
