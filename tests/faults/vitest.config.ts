import { defineConfig } from "vitest/config"

/** Where a promise is about fractions of a second, nothing else may take the machine's time. */
const TO_THE_SPLIT_SECOND = "faults/scoring-pause.test.ts"

/**
 * The rows of what the system must survive, each with its fault, its healing and its check; and what
 * its operators do to it while it is used.
 */
export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    globalSetup: "./harness/servers.ts",
    setupFiles: "./harness/check-answers.ts",
    reporters: ["verbose"],
    testTimeout: 240_000,
    hookTimeout: 120_000,
    projects: [
      {
        extends: true,
        test: {
          name: "alone",
          include: [TO_THE_SPLIT_SECOND],
          maxWorkers: 1,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "two at a time",
          include: ["faults/**/*.test.ts", "operations/**/*.test.ts"],
          exclude: [TO_THE_SPLIT_SECOND],
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
