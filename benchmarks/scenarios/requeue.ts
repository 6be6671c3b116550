import { loadWaiting, tidyUp } from "../fixtures/bulk-orders.ts"
import { makeCustomers } from "../fixtures/customers.ts"
import { addJobs } from "../fixtures/jobs.ts"
import type { Fixture } from "../fixtures/fixture.ts"
import { makeOverdue, requeueAll } from "../fixtures/overdue.ts"
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
  async measure(fixture) {
    const sides = await makeSides(fixture)
    const runs = await alternate(sides, fixture.extent.rounds, fixture.report)
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
async function makeSides(fixture: Fixture): Promise<Side[]> {
  const tables = await fixture.database()
  const redis = await fixture.redis()
  const numbers = await loadWaiting(
    fixture,
    tables,
    await makeCustomers(tables, CUSTOMERS),
    WAITING,
  )
  await tidyUp(tables)
  const database = fixture.ledger(tables)
  const queue = await fixture.queue(redis)
  const clocks = { bench: fixture.loadClock, PostgreSQL: fixture.postgresClock, Redis: redis.clock }
  return [
    {
      name: REQUEUE,
      clocks,
      prepare: async () => {
        await redis.empty()
        await makeOverdue(tables)
      },
      run: () => requeueAll(fixture, { database, queue }, WAITING),
    },
    {
      name: PLAIN,
      clocks,
      prepare: () => redis.empty(),
      run: () => timed(WAITING, () => addJobs(queue, numbers)),
    },
  ]
}
