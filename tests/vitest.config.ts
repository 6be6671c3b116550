import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    globalSetup: "./harness/servers.ts",
    setupFiles: "./harness/check-answers.ts",
    include: ["**/*.test.ts"],
    // They take longer: pnpm test:faults.
    exclude: ["**/node_modules/**", "faults/**", "operations/**"],
    // Each file starts processes of its own, and waits for them most of the time.
    maxWorkers: 3,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
