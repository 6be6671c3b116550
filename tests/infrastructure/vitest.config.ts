import { join } from "node:path"
import { defineConfig } from "vitest/config"

/** The system on the servers that shops run: other people's proxies, poolers, clusters and monitoring. */
export default defineConfig({
  test: {
    root: join(import.meta.dirname, ".."),
    globalSetup: "./harness/servers.ts",
    setupFiles: "./harness/each-file.ts",
    include: ["infrastructure/**/*.test.ts"],
    exclude: process.env["EVERY_INFRASTRUCTURE_TEST"] === "true" ? [] : ["infrastructure/all/**"],
    reporters: ["verbose", "./harness/suites-reporter.ts"],
    provide: { load: "waiting" },
    maxWorkers: 3,
    isolate: false,
    testTimeout: 300_000,
    hookTimeout: 120_000,
  },
})
