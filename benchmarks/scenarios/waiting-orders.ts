import { loadWaiting, tidyUp } from "../lab/bulk-orders.ts"
import { makeCustomers } from "../lab/customers.ts"
import { addJobs } from "../lab/jobs.ts"
import type { Lab } from "../lab/lab.ts"
import { uploadsOf } from "../lab/requests.ts"
import { alternate, ratios, type Side } from "../measure/rounds.ts"
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
  async measure(lab) {
    const sides = [await intakeSide(lab, WAITING), await intakeSide(lab, 0)]
    const runs = await alternate(sides, lab.extent.rounds, lab.report)
    return {
      rows: [
        {
          row: "10",
          what: `p99 of an upload with ${nameOf(WAITING)}`,
          to: nameOf(0),
          ratios: ratios(runs, nameOf(WAITING), nameOf(0), ({ p99Ms }) => p99Ms ?? Number.NaN),
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

async function intakeSide(lab: Lab, waiting: number): Promise<Side> {
  const database = await lab.database()
  const queue = await lab.redis()
  const customers = await makeCustomers(database, CUSTOMERS)
  const numbers = await loadWaiting(lab, database, customers, waiting)
  const jobs = await lab.queue(queue)
  await addJobs(jobs, numbers, (added) => lab.report(added, numbers.length, "adding jobs"))
  const added = await jobs.count()
  if (added !== numbers.length) throw new Error(`the queue has ${added} jobs`)
  await tidyUp(database)
  const api = await lab.startApi({ databaseUrl: database.url, queueUrl: queue.url })
  const load = lab.load(api, CONNECTIONS)
  const next = uploadsOf(customers)
  return {
    name: nameOf(waiting),
    clocks: {
      api: api.clock,
      PostgreSQL: lab.postgresClock,
      Redis: queue.clock,
      load: lab.loadClock,
    },
    prepare: () => load.runAt(UPLOADS_PER_S, WARM_UP_S, next, 202),
    run: () => load.runAt(UPLOADS_PER_S, Math.max(lab.extent.seconds, RUN_S_MIN), next, 202),
  }
}
