import { loadWaiting, tidyUp } from "../fixtures/bulk-orders.ts"
import { makeCustomers } from "../fixtures/customers.ts"
import { addJobs } from "../fixtures/jobs.ts"
import type { Fixture } from "../fixtures/fixture.ts"
import { uploadsOf } from "../fixtures/requests.ts"
import { alternate, p99Ms, ratios, type Side } from "../measure/rounds.ts"
import type { Scenario } from "./scenario.ts"

const WAITING = 1_000_000
const CUSTOMERS = 1_000
const CONNECTIONS = 64
const UPLOADS_PER_S = 300
/** Of a run: with fewer uploads than in this time a hundredth of them is too few to tell. */
const RUN_S_MIN = 10
/** In which every customer uploads once: after a pause the API knows none of them any more. */
const WARM_UP_S = 4

/** Row 10: what orders that wait cost those that come in. */
export const waitingOrders: Scenario = {
  name: "waiting-orders",
  about: `${UPLOADS_PER_S} uploads a second, no worker, queue on Redis`,
  isLong: true,
  async measure(fixture) {
    const sides = [await recordingSide(fixture, WAITING), await recordingSide(fixture, 0)]
    const runs = await alternate(sides, fixture.extent.rounds, fixture.report)
    return {
      rows: [
        {
          row: "10",
          what: `p99 of an upload with ${nameOf(WAITING)}`,
          to: nameOf(0),
          ratios: ratios(runs, nameOf(WAITING), nameOf(0), p99Ms),
          target: { atMost: 1.3 },
        },
      ],
      runs,
    }
  },
}

function nameOf(waiting: number): string {
  return waiting === 0 ? "none waiting" : `${waiting.toLocaleString("en")} orders waiting`
}

async function recordingSide(fixture: Fixture, waiting: number): Promise<Side> {
  const database = await fixture.database()
  const queue = await fixture.redis()
  const customers = await makeCustomers(database, CUSTOMERS)
  const numbers = await loadWaiting(fixture, database, customers, waiting)
  const jobs = await fixture.queue(queue)
  await addJobs(jobs, numbers, (added) => fixture.report(added, numbers.length, "adding jobs"))
  const added = await jobs.count()
  if (added !== numbers.length) throw new Error(`the queue has ${added} jobs`)
  await tidyUp(database)
  const api = await fixture.startApi({ databaseUrl: database.url, queueUrl: queue.url })
  const load = fixture.load(api, CONNECTIONS)
  const next = uploadsOf(customers)
  return {
    name: nameOf(waiting),
    clocks: {
      api: api.clock,
      PostgreSQL: fixture.postgresClock,
      Redis: queue.clock,
      load: fixture.loadClock,
    },
    prepare: () => load.runAt(UPLOADS_PER_S, WARM_UP_S, next, 202),
    run: () => load.runAt(UPLOADS_PER_S, Math.max(fixture.extent.seconds, RUN_S_MIN), next, 202),
  }
}
