import { setTimeout as sleep } from "node:timers/promises"
import { makeCustomers } from "../lab/customers.ts"
import type { BenchDatabase, Lab } from "../lab/lab.ts"
import { uploadsOf } from "../lab/requests.ts"
import type { Side } from "../measure/rounds.ts"

const CUSTOMERS = 1_000
const ENQUEUED_TIMEOUT_MS = 10_000
const LOOK_INTERVAL_MS = 5

/** Uploads to an API of its own, until their jobs are in a queue of its own. */
export async function intakeSide(
  lab: Lab,
  connections: number,
  name: string,
  standIns: Record<string, string> = {},
  database?: BenchDatabase,
): Promise<Side> {
  const tables = database ?? (await lab.database())
  const queue = await lab.redis()
  const customers = await makeCustomers(tables, CUSTOMERS)
  const api = await lab.startApi({
    databaseUrl: tables.url,
    queueUrl: queue.url,
    standIns,
  })
  const load = lab.load(api, connections)
  const next = uploadsOf(customers)
  const jobs = await lab.queue(queue)
  // An upload is through when its job is in the queue, which its answer does not wait for.
  const untilEnqueued = async (orders: number) => {
    const ends = performance.now() + ENQUEUED_TIMEOUT_MS
    while ((await jobs.getWaitingCount()) < orders) {
      if (performance.now() > ends) throw new Error("uploaded orders are not in the queue")
      await sleep(LOOK_INTERVAL_MS)
    }
  }
  return {
    name,
    clocks: {
      api: api.clock,
      PostgreSQL: lab.postgresClock,
      Redis: queue.clock,
      load: lab.loadClock,
    },
    prepare: () => queue.empty(),
    async run() {
      const begun = performance.now()
      const { operations, p50Ms, p99Ms } = await load.run(lab.extent.seconds, next, 202)
      await untilEnqueued(operations)
      return { operations, seconds: (performance.now() - begun) / 1_000, p50Ms, p99Ms }
    },
  }
}
