import { defineConfig } from "vitest/config"

/** The rows of what the system must survive, each with its fault, its healing and its check. */
export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    globalSetup: "./harness/servers.ts",
    setupFiles: "./harness/check-answers.ts",
    include: ["faults/**/*.test.ts"],
    maxWorkers: 2,
    reporters: ["verbose"],
    testTimeout: 240_000,
    hookTimeout: 120_000,
  },
})
