import { join } from "node:path"
import { findProgram } from "@gofermart/local-stack/find-program.ts"
import { compileCacheEnv } from "@gofermart/local-stack/compile-cache.ts"
import { defineConfig } from "vitest/config"
import { PGBOUNCER } from "../harness/missing-programs.ts"

// For the processes that run the tests, and what they start.
Object.assign(process.env, compileCacheEnv())

const root = join(import.meta.dirname, "..")
const isEverything = process.env["EVERY_INFRASTRUCTURE_TEST"] === "true"

/** What asks the database everything that services ask it, through a pooler in transaction mode. */
const POOLED = ["api/**/*.test.ts", "ledger/*.test.ts"]
/** Of those what looks at sessions, or migrates. */
const ABOUT_SESSIONS = [
  "api/session-settings.test.ts",
  "ledger/migrate.test.ts",
  "ledger/functions.test.ts",
]

const common = {
  root,
  setupFiles: "./harness/each-file.ts",
  provide: { load: "waiting" as const },
  isolate: false,
  testTimeout: 300_000,
  hookTimeout: 120_000,
}

/** The system on the servers that shops run: other people's proxies, poolers, clusters and monitoring. */
export default defineConfig({
  test: {
    root,
    reporters: ["verbose", "./harness/suites-reporter.ts"],
    projects: [
      {
        test: {
          ...common,
          name: "servers",
          globalSetup: "./harness/servers.ts",
          include: ["infrastructure/**/*.test.ts"],
          exclude: isEverything ? [] : ["infrastructure/all/**"],
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...common,
          name: "pooled",
          globalSetup: "./infrastructure/pooled-servers.ts",
          include: (await findProgram(PGBOUNCER)) === undefined ? [] : POOLED,
          exclude: ABOUT_SESSIONS,
          maxWorkers: 4,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
