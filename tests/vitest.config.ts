import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    globalSetup: "./harness/servers.ts",
    setupFiles: "./harness/check-answers.ts",
    include: ["**/*.test.ts"],
    // They take longer: pnpm test:faults.
    exclude: ["**/node_modules/**", "faults/**"],
    // Each file starts processes of its own; more at once would only slow each other down.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
