import { setTimeout as sleep } from "node:timers/promises"
import { makeCustomers } from "../lab/customers.ts"
import type { Lab } from "../lab/lab.ts"
import { uploadsOf } from "../lab/requests.ts"
import { alternate, perSecond, ratios, type Run, type Side } from "../measure/rounds.ts"
import { PGBENCH, pgbenchSides } from "./pgbench.ts"
import type { Outcome, Row, Scenario } from "./scenario.ts"

const CONNECTIONS = [64, 256]
const CUSTOMERS = 1_000
const ENQUEUED_TIMEOUT_MS = 10_000
const LOOK_INTERVAL_MS = 5

/** Rows 1 to 3: what an upload costs beside everything that is not its durable record. */
export const intake: Scenario = {
  name: "intake",
  about: "uploads, all numbers new, queue on Redis",
  isLong: false,
  async measure(lab) {
    const outcome: Outcome = { rows: [], runs: new Map() }
    for (const connections of CONNECTIONS) {
      const sides = await makeSides(lab, connections)
      const { rounds } = lab.extent
      const runs = await alternate(sides, rounds, (done, of, now) =>
        lab.report(done, of, `${now}, ${connections} connections`),
      )
      outcome.rows.push(...rowsOf(runs, connections))
      for (const [side, done] of runs) outcome.runs.set(`${side}, ${connections}`, done)
      await lab.endScope()
    }
    return outcome
  },
}

function rowsOf(runs: Map<string, Run[]>, connections: number): Row[] {
  const row = (number: number, to: string, atLeast: number): Row => ({
    row: `${number}, ${connections} connections`,
    what: "uploads",
    to,
    ratios: ratios(runs, "shipped", to, perSecond),
    target: { atLeast },
  })
  return [
    row(1, "ledger call replaced by a constant", 0.7),
    row(2, "one create and one queue.add per request", 5),
    row(3, PGBENCH, 0.5),
  ]
}

async function makeSides(lab: Lab, connections: number): Promise<Side[]> {
  return [
    await apiSide(lab, connections, "shipped"),
    await apiSide(lab, connections, "ledger call replaced by a constant", {
      "ledger/record-orders.ts": "record-nothing.ts",
    }),
    await apiSide(lab, connections, "one create and one queue.add per request", {
      "orders/intake.ts": "naive-intake.ts",
      "orders/enqueue.ts": "naive-enqueue.ts",
    }),
    ...(await pgbenchSides(lab, connections)),
  ]
}

async function apiSide(
  lab: Lab,
  connections: number,
  name: string,
  standIns: Record<string, string> = {},
): Promise<Side> {
  const database = await lab.database()
  const queue = await lab.redis()
  const customers = await makeCustomers(database, CUSTOMERS)
  const api = await lab.startApi({
    databaseUrl: database.url,
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
