import { loadWaiting, tidyUp } from "../lab/bulk-orders.ts"
import { makeCustomers } from "../lab/customers.ts"
import { addJobs } from "../lab/jobs.ts"
import type { Lab } from "../lab/lab.ts"
import { makeOverdue, requeueAll } from "../lab/overdue.ts"
import { alternate, perSecond, ratios, type Side, timed } from "../measure/rounds.ts"
import type { Scenario } from "./scenario.ts"

const WAITING = 100_000
const CUSTOMERS = 1_000

const REQUEUE = "requeue"
const PLAIN = "addBulk of the same numbers"

/** Row 13: what finding the orders costs beside adding their jobs, when a queue was lost. */
export const requeue: Scenario = {
  name: "requeue",
  about: `jobs of ${WAITING.toLocaleString("en")} waiting orders after FLUSHALL, queue on Redis`,
  isLong: true,
  async measure(lab) {
    const sides = await makeSides(lab)
    const runs = await alternate(sides, lab.extent.rounds, lab.report)
    return {
      rows: [
        {
          row: "13",
          what: "requeue of every waiting order",
          to: PLAIN,
          ratios: ratios(runs, REQUEUE, PLAIN, perSecond),
          target: { atLeast: 0.5 },
        },
      ],
      runs,
    }
  },
}

/** Both in this process, on the same tables and the same queue. */
async function makeSides(lab: Lab): Promise<Side[]> {
  const tables = await lab.database()
  const redis = await lab.redis()
  const numbers = await loadWaiting(lab, tables, await makeCustomers(tables, CUSTOMERS), WAITING)
  await tidyUp(tables)
  const database = lab.ledger(tables)
  const queue = await lab.queue(redis)
  const clocks = { bench: lab.loadClock, PostgreSQL: lab.postgresClock, Redis: redis.clock }
  return [
    {
      name: REQUEUE,
      clocks,
      prepare: async () => {
        await redis.empty()
        await makeOverdue(tables)
      },
      run: () => requeueAll(lab, { database, queue }, WAITING),
    },
    {
      name: PLAIN,
      clocks,
      prepare: () => redis.empty(),
      run: () => timed(WAITING, () => addJobs(queue, numbers)),
    },
  ]
}
