import { untilAllFinal } from "../fixtures/backlog.ts"
import { makeCustomers } from "../fixtures/customers.ts"
import type { Fixture, Part, QueueServer } from "../fixtures/fixture.ts"
import { alternate, perSecond, ratios, type Side } from "../measure/rounds.ts"
import { uploadsOf } from "../fixtures/requests.ts"
import type { Scenario } from "./scenario.ts"

const CONNECTIONS = 64
const CUSTOMERS = 1_000
/** Makes a run last about as long as it is to. */
const ORDERS_PER_S = 1_500

const REDIS = "queue on Redis"
const POSTGRESQL = "queue in PostgreSQL"

/** Row 8: from the first upload to the last settled order, on either queue. */
export const endToEnd: Scenario = {
  name: "end-to-end",
  about: `uploads until all are settled, one API and one worker, ${CONNECTIONS} connections`,
  isLong: false,
  async measure(fixture) {
    const scoring = await fixture.startScoring()
    const sides = [
      await systemSide(fixture, scoring, REDIS, await fixture.redis()),
      await systemSide(fixture, scoring, POSTGRESQL),
    ]
    const runs = await alternate(sides, fixture.extent.rounds, fixture.report)
    const row = {
      row: "8",
      what: `orders uploaded and settled, ${REDIS}`,
      to: POSTGRESQL,
      ratios: ratios(runs, REDIS, POSTGRESQL, perSecond),
      target: undefined,
    }
    return { rows: [row], runs }
  },
}

/** The queue is in the database unless there is another place for it. */
async function systemSide(
  fixture: Fixture,
  scoring: Part,
  name: string,
  queue?: QueueServer,
): Promise<Side> {
  const database = await fixture.database()
  const customers = await makeCustomers(database, CUSTOMERS)
  const settings = { databaseUrl: database.url, queueUrl: queue?.url ?? database.url }
  const api = await fixture.startApi(settings)
  const worker = await fixture.startWorker({ ...settings, scoringUrl: scoring.url })
  const load = fixture.load(api, CONNECTIONS)
  const next = uploadsOf(customers)
  return {
    name,
    clocks: {
      api: api.clock,
      worker: worker.clock,
      PostgreSQL: fixture.postgresClock,
      ...(queue === undefined ? {} : { Redis: queue.clock }),
      scoring: scoring.clock,
      load: fixture.loadClock,
    },
    run: async () => {
      const begun = performance.now()
      const orders = Math.round(ORDERS_PER_S * fixture.extent.seconds)
      const { operations } = await load.runCount(orders, next, 202)
      await untilAllFinal(database)
      return { operations, seconds: (performance.now() - begun) / 1_000 }
    },
  }
}
