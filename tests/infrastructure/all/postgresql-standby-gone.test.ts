import { setTimeout as sleep } from "node:timers/promises"
import { REASONS } from "@gofermart/shared/readiness/reasons.ts"
import { expect, it } from "vitest"
import { expectSettling, expectSound } from "../../faults/after-a-fault.ts"
import { ask } from "../../faults/readiness.ts"
import { Traffic } from "../../faults/traffic.ts"
import type { TestDatabase } from "../../harness/database.ts"
import { eventually } from "../../harness/eventually.ts"
import { startPostgresPair, untilStreaming } from "../../harness/postgres-pair.ts"
import { startSystem } from "../../harness/system.ts"

/** Requeue's longest lease in these tests is 5 s, the backoff starts at 1 s; and 30 s. */
const SETTLED_WITHIN_MS = 36_000
const SETTLING_AGAIN_WITHIN_MS = 30_000
const UPLOADS_BEFORE = 100
/** Several times as long as a statement is waited for. */
const GONE_MS = 45_000
const LOOK_INTERVAL_MS = 500
/**
 * What docs/OPERATIONS.md counts for an API (10 + 1, and 10 for a queue) and a worker (5 + 1, and 21), and
 * for each of their five pools one that asks what has become of statements.
 */
const CONNECTIONS_MAX = 21 + 27 + 5

/** Connections of the system, and how many of them wait for a standby. */
async function countConnections({ client }: TestDatabase) {
  const [counted] = await client.$queryRaw<{ all: number; waiting: number }[]>`
    SELECT count(*)::int AS "all",
           count(*) FILTER (WHERE wait_event = 'SyncRep')::int AS waiting
      FROM pg_stat_activity
     WHERE datname = current_database() AND application_name <> 'tests'`
  return counted ?? { all: 0, waiting: 0 }
}

it("58: the standby is gone: 503, never 202, and no more connections than the pools have; back again, all is settled", async () => {
  const { database, servers } = await startPostgresPair()
  const standby = servers[1]
  const system = await startSystem({ backend: "postgresql", database })
  const traffic = await Traffic.start(system)
  await eventually("there is load", async () => traffic.uploads.size > UPLOADS_BEFORE)
  await standby.stop("immediate")
  await eventually("a commit waits", async () => (await countConnections(database)).waiting > 0)
  // What was confirmed before is answered by now.
  await sleep(LOOK_INTERVAL_MS)
  const acknowledged = traffic.uploads.size
  const seen = { all: 0, waiting: 0 }
  const until = performance.now() + GONE_MS
  while (performance.now() < until) {
    const { all, waiting } = await countConnections(database)
    seen.all = Math.max(seen.all, all)
    seen.waiting = Math.max(seen.waiting, waiting)
    await sleep(LOOK_INTERVAL_MS)
  }
  process.stdout.write(`at most ${seen.all} connections, of which ${seen.waiting} waited\n`)
  expect(seen.all).toBeLessThanOrEqual(CONNECTIONS_MAX)
  expect(traffic.uploads.size).toBe(acknowledged)
  expect(traffic.answers.get("upload 503")).toBeGreaterThan(0)
  expect(await ask(`${system.apiUrl}/readyz`)).toMatchObject([
    503,
    { database_reason: REASONS.standby_missing },
  ])
  await standby.start()
  await untilStreaming(database)
  await expectSettling(system, SETTLING_AGAIN_WITHIN_MS)
  await eventually("it is ready", async () => (await ask(`${system.apiUrl}/readyz`))[0] === 200)
  await traffic.stop()
  await expectSound(system, traffic, SETTLED_WITHIN_MS)
  const { waiting } = await countConnections(database)
  expect(waiting).toBe(0)
})
