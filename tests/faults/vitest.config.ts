import { join } from "node:path"
import { compileCacheEnv } from "@gofermart/local-stack/compile-cache.ts"
import { defineConfig } from "vitest/config"
import { longestFirst } from "../harness/longest-first.ts"

// For the processes that run the tests, and what they start.
Object.assign(process.env, compileCacheEnv())

/** A promise of a few seconds at most: nothing else may take the machine's time. */
const ALONE = [
  "faults/hung-up-waits.test.ts",
  "faults/login-crowd.test.ts",
  "faults/long-lists.test.ts",
  "faults/migrations.test.ts",
  "faults/own-fate.test.ts",
  "faults/pace.test.ts",
  "faults/requeue-backup.test.ts",
  "faults/unauthenticated.test.ts",
  // `test` runs these too, and expects no times there.
  "refusals/bodies.test.ts",
  "refusals/flood.test.ts",
  "refusals/orders.test.ts",
]

/** The same, but they take next to none of it themselves, and may have each other beside them. */
const QUIET = [
  "faults/balance-locked.test.ts",
  "faults/redis-role.test.ts",
  "faults/redis-sentinel.test.ts",
  "faults/scoring-pause.test.ts",
]

/** They wait for most of their time: for a lock or a pause to end. */
const WAITING = [
  "faults/failed-job.test.ts",
  "faults/fair-order.test.ts",
  "faults/killed-in-flight.test.ts",
  "faults/killed-often.test.ts",
  "faults/limit-raised.test.ts",
  "faults/metrics-away.test.ts",
  "faults/operator-away.test.ts",
  "faults/outage.test.ts",
  "faults/queue-silent.test.ts",
  "faults/readiness-postgresql.test.ts",
  "faults/readiness-redis.test.ts",
  "faults/scoring-bursts.test.ts",
  "faults/scoring-pace.test.ts",
  "faults/scoring-slow.test.ts",
  "faults/settling.test.ts",
  "faults/vanished-client.test.ts",
  "faults/worker-killed.test.ts",
  "faults/worker-stopped.test.ts",
]

const LONGEST = [
  "faults/backlog.test.ts",
  "faults/killed-often.test.ts",
  "faults/redis-role.test.ts",
  "faults/scoring-pace.test.ts",
  "faults/balance-locked.test.ts",
  "faults/scoring-bursts.test.ts",
  "faults/model.test.ts",
  "faults/scoring-down.test.ts",
  "faults/queue-lost.test.ts",
]

const root = join(import.meta.dirname, "..")

/** One after the other, each with so many files at once that two processors are busy, not overrun. */
const GROUPS = [
  {
    load: "busy" as const,
    include: ["faults/**/*.test.ts"],
    exclude: [...WAITING, ...QUIET, ...ALONE],
    maxWorkers: 3,
  },
  { load: "waiting" as const, include: WAITING, exclude: [], maxWorkers: 6 },
  { load: "quiet" as const, include: QUIET, exclude: [], maxWorkers: 3 },
  { load: "alone" as const, include: ALONE, exclude: [], maxWorkers: 1 },
]

/**
 * The rows of what the system must survive, each with its fault, its healing and its check; and what
 * its operators do to it while it is used.
 */
export default defineConfig({
  test: {
    root,
    // Once for the whole run: a project that extended this one would have it again.
    globalSetup: "./harness/servers.ts",
    reporters: ["verbose", "./harness/suites-reporter.ts"],
    sequence: { sequencer: longestFirst(LONGEST) },
    projects: GROUPS.map(({ load, ...group }, groupOrder) => ({
      test: {
        ...group,
        name: load,
        root,
        setupFiles: "./harness/each-file.ts",
        provide: { load },
        // The files of a worker have their modules in common.
        isolate: false,
        // They end what hangs, on a slow machine as well; how long a thing may take a test says itself.
        testTimeout: 600_000,
        hookTimeout: 240_000,
        sequence: { groupOrder },
      },
    })),
  },
})
