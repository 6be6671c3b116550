import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import { type AccrualQueue, addPolls } from "@gofermart/shared/queue/poll-job.ts"
import { loadWaiting, tidyUp } from "../lab/bulk-orders.ts"
import { makeCustomers } from "../lab/customers.ts"
import type { Lab } from "../lab/lab.ts"
import { openLedger } from "../lab/orders.ts"
import { makeOverdue, requeueAll } from "../lab/overdue.ts"
import { alternate, type Done, perSecond, ratios, type Side } from "../measure/rounds.ts"
import type { Scenario } from "./scenario.ts"

const WAITING = 100_000
const CUSTOMERS = 1_000
const JOBS_PER_PAGE = 1_000

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
    await lab.endScope()
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
  const database = openLedger(tables, lab)
  const queue = await openAccrualQueue(redis.url, lab.logger)
  lab.onClose(() => queue.close())
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
      run: () => addAll(queue, numbers),
    },
  ]
}

async function addAll(queue: AccrualQueue, numbers: string[]): Promise<Done> {
  const begun = performance.now()
  for (let added = 0; added < numbers.length; added += JOBS_PER_PAGE) {
    await addPolls(queue, numbers.slice(added, added + JOBS_PER_PAGE))
  }
  return { operations: numbers.length, seconds: (performance.now() - begun) / 1_000 }
}
