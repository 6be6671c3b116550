import { setTimeout as sleep } from "node:timers/promises"
import { makeCustomers } from "../fixtures/customers.ts"
import type { BenchDatabase, Fixture } from "../fixtures/fixture.ts"
import { uploadsOf } from "../fixtures/requests.ts"
import type { Side } from "../measure/rounds.ts"

const CUSTOMERS = 1_000
const ENQUEUED_TIMEOUT_MS = 10_000
const LOOK_INTERVAL_MS = 5

/** Uploads to an API of its own, until their jobs are in a queue of its own. */
export async function recordingSide(
  fixture: Fixture,
  connections: number,
  name: string,
  baselines: Record<string, string> = {},
  database?: BenchDatabase,
): Promise<Side> {
  const tables = database ?? (await fixture.database())
  const queue = await fixture.redis()
  const customers = await makeCustomers(tables, CUSTOMERS)
  const api = await fixture.startApi({
    databaseUrl: tables.url,
    queueUrl: queue.url,
    baselines,
  })
  const load = fixture.load(api, connections)
  const next = uploadsOf(customers)
  const jobs = await fixture.queue(queue)
  // An upload is through when its job is in the queue, which its answer does not wait for.
  const untilEnqueued = async (orders: number) => {
    const ends = performance.now() + ENQUEUED_TIMEOUT_MS
    while ((await jobs.getJobCountByTypes("waiting", "prioritized")) < orders) {
      if (performance.now() > ends) throw new Error("uploaded orders are not in the queue")
      await sleep(LOOK_INTERVAL_MS)
    }
  }
  return {
    name,
    clocks: {
      api: api.clock,
      PostgreSQL: fixture.postgresClock,
      Redis: queue.clock,
      load: fixture.loadClock,
    },
    prepare: () => queue.empty(),
    async run() {
      const begun = performance.now()
      const { operations, p50Ms, p99Ms } = await load.run(fixture.extent.seconds, next, 202)
      await untilEnqueued(operations)
      return { operations, seconds: (performance.now() - begun) / 1_000, p50Ms, p99Ms }
    },
  }
}
