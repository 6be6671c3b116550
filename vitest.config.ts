import { defineConfig } from "vitest/config"

/** The unit tests: all that start no server and no process. The others are in tests/, with their own. */
export default defineConfig({
  test: {
    include: [
      "{packages,services}/*/src/**/*.test.ts",
      "benchmarks/**/*.test.ts",
      "tests/static/*.test.ts",
    ],
    reporters: ["default", "./tests/harness/suites-reporter.ts"],
    pool: "threads",
    maxWorkers: "100%",
    // Most of their time goes to importing, so files share what they import.
    isolate: false,
    // Also what `node:timers/promises` gives.
    fakeTimers: { fakeNodeBuiltins: true },
    // For a busy machine.
    testTimeout: 30_000,
    expect: { poll: { timeout: 10_000 } },
  },
})
