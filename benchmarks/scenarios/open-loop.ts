import { countUnfinished, makeBacklog } from "../fixtures/backlog.ts"
import { makeCustomers } from "../fixtures/customers.ts"
import type { Fixture } from "../fixtures/fixture.ts"
import { uploadsOf } from "../fixtures/requests.ts"
import { alternate, p50Ms, p99Ms, ratios, type Side } from "../measure/rounds.ts"
import type { Scenario } from "./scenario.ts"

const CONNECTIONS = 64
const CUSTOMERS = 1_000
/** Of a usual run's length: with fewer uploads a hundredth of them is too few to tell. */
const RUN_FACTOR = 3
/** More than a worker settles. */
const BACKLOG_PER_S = 10_000

const SETTLING = "while a backlog settles"
const ALONE = "without workers"

/** Row 17: what settling costs those that come in, at a load that does not wait for answers. */
export const openLoop: Scenario = {
  name: "open-loop",
  about: `uploads at an offered rate, beside ${BACKLOG_PER_S} waiting orders for each second, queue on Redis`,
  isLong: false,
  async measure(fixture) {
    const sides = [await makeSide(fixture, SETTLING), await makeSide(fixture, ALONE)]
    const runs = await alternate(sides, fixture.extent.rounds, fixture.report)
    const { uploadsPerS } = fixture.extent
    const row = (which: string, figure: typeof p99Ms, target?: { atMost: number }) => ({
      row: `17, ${which}`,
      what: `${which} of ${uploadsPerS} uploads a second ${SETTLING}`,
      to: ALONE,
      ratios: ratios(runs, SETTLING, ALONE, figure),
      target,
    })
    return { rows: [row("p99", p99Ms, { atMost: 2 }), row("p50", p50Ms)], runs }
  },
}

async function makeSide(fixture: Fixture, name: string): Promise<Side> {
  const isSettling = name === SETTLING
  const { seconds, uploadsPerS } = fixture.extent
  const runS = RUN_FACTOR * seconds
  const database = await fixture.database()
  const queue = await fixture.redis()
  const customers = await makeCustomers(database, CUSTOMERS)
  const settings = { databaseUrl: database.url, queueUrl: queue.url }
  const api = await fixture.startApi(settings)
  const load = fixture.load(api, CONNECTIONS)
  const next = uploadsOf(customers)
  // So that the API knows how many each of them has unfinished.
  await load.runCount(CUSTOMERS, next, 202)
  const clocks = {
    api: api.clock,
    PostgreSQL: fixture.postgresClock,
    Redis: queue.clock,
    load: fixture.loadClock,
  }
  const upload = () => load.runAt(uploadsPerS, runS, next, 202)
  if (!isSettling) return { name, clocks, prepare: () => queue.empty(), run: upload }
  const scoring = await fixture.startScoring()
  const worker = await fixture.startWorker({ ...settings, scoringUrl: scoring.url })
  const backlog = await makeBacklog(fixture, database, queue, customers)
  return {
    name,
    clocks: { ...clocks, worker: worker.clock, scoring: scoring.clock },
    prepare: async () => {
      const missing = BACKLOG_PER_S * runS - (await countUnfinished(database))
      await backlog.prepare(Math.max(0, missing))
    },
    async run() {
      await backlog.resume()
      const done = await upload()
      if ((await countUnfinished(database)) === 0) throw new Error("the backlog was too short")
      await backlog.hold()
      return done
    },
  }
}
