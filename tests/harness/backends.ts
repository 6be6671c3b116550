import { describe, inject } from "vitest"
import type { Backend } from "./system.ts"

/**
 * Runs a suite on both queue backends. Where no Redis can be started, its half is skipped under a
 * name that says why.
 */
export function describeOnBackends(name: string, suite: (backend: Backend) => void): void {
  describe(`${name}, queue on PostgreSQL`, () => suite("postgresql"))
  describeOnRedis(name, () => suite("redis"))
}

/** Runs a suite that is about Redis itself. */
export function describeOnRedis(name: string, suite: () => void): void {
  const server = inject("redisServer")
  const why = "missing" in server ? ` (${server.missing})` : ""
  describe.skipIf("missing" in server)(`${name}, queue on Redis${why}`, suite)
}
