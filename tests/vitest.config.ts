import { compileCacheEnv } from "@gofermart/local-stack/compile-cache.ts"
import { defineConfig } from "vitest/config"
import { longestFirst } from "./harness/longest-first.ts"

// For the processes that run the tests, and what they start.
Object.assign(process.env, compileCacheEnv())

const LONGEST = [
  "operator/board.test.ts",
  "metrics/metrics.test.ts",
  "metrics/autoscaling.test.ts",
  "operator/orders.test.ts",
  "metrics/liveness.test.ts",
  "operator/recheck.test.ts",
  "tracing/tracing.test.ts",
  "settings/refused.test.ts",
  "api/throttling.test.ts",
  "system/pause.test.ts",
]

export default defineConfig({
  test: {
    globalSetup: "./harness/servers.ts",
    setupFiles: "./harness/each-file.ts",
    provide: { load: "busy" },
    reporters: ["default", "./harness/suites-reporter.ts"],
    // A file starts processes of its own, or joins one, and waits for them most of the time.
    maxWorkers: 5,
    sequence: { sequencer: longestFirst(LONGEST) },
    // For a busy machine.
    testTimeout: 180_000,
    hookTimeout: 120_000,
    // A file takes longer to import its modules than to run, so the files of a worker have them in common,
    // what these hold included.
    isolate: false,
    include: ["**/*.test.ts"],
    // They take longer, or need others' servers: pnpm test:faults, and so on. Those of static/ start nothing.
    exclude: ["**/node_modules/**", "containers/**", "faults/**", "infrastructure/**", "static/**"],
  },
})
