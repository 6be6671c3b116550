import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import { addPolls } from "@gofermart/shared/queue/poll-job.ts"
import { loadWaiting, tidyUp } from "../lab/bulk-orders.ts"
import { inTurn, makeCustomers } from "../lab/customers.ts"
import type { Lab, QueueServer } from "../lab/lab.ts"
import { uploads } from "../lab/uploads.ts"
import { HttpLoad } from "../measure/http-load.ts"
import { alternate, ratios, type Side } from "../measure/rounds.ts"
import type { Scenario } from "./scenario.ts"

const WAITING = 1_000_000
const CUSTOMERS = 1_000
const CONNECTIONS = 64
const UPLOADS_PER_S = 300
const JOBS_PER_PAGE = 1_000
const PAGES_AT_ONCE = 4
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
    await lab.endScope()
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
  await addJobs(lab, queue, numbers)
  await tidyUp(database)
  const api = await lab.startApi({ databaseUrl: database.url, queueUrl: queue.url })
  const load = new HttpLoad(api.url, CONNECTIONS)
  lab.onClose(() => load.close())
  const next = uploads(inTurn(customers.map(({ headers }) => headers)))
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

/** Adds the jobs of these orders, several pages at once. */
async function addJobs(lab: Lab, server: QueueServer, numbers: string[]): Promise<void> {
  const queue = await openAccrualQueue(server.url, lab.logger)
  let added = 0
  const lane = async () => {
    while (added < numbers.length) {
      lab.report(added, numbers.length, "adding jobs")
      const page = numbers.slice(added, added + JOBS_PER_PAGE)
      added += page.length
      await addPolls(queue, page)
    }
  }
  try {
    await Promise.all(Array.from({ length: PAGES_AT_ONCE }, lane))
    const jobs = await queue.count()
    if (jobs !== numbers.length) throw new Error(`the queue has ${jobs} jobs`)
  } finally {
    await queue.close()
  }
}
