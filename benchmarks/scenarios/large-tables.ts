import type { Database } from "@gofermart/shared/db/client.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import { loadSettled, loadWaiting, tidyUp } from "../fixtures/bulk-orders.ts"
import { type Customer, makeCustomers } from "../fixtures/customers.ts"
import type { BenchDatabase, Fixture, Part, QueueServer } from "../fixtures/fixture.ts"
import { readsOf, uploadsOf } from "../fixtures/requests.ts"
import { deleteWaiting, makeOverdue, requeueAll } from "../fixtures/overdue.ts"
import type { HttpLoad } from "../measure/http-load.ts"
import { alternate, perSecond, ratios, type Side } from "../measure/rounds.ts"
import type { Outcome, Scenario } from "./scenario.ts"

/** Settled orders in the tables. */
const LARGE = 10_000_000
const SMALL = 10_000
const ORDERS_EACH = 50
/** As many in both, so that the large tables are larger and nothing else. */
const CUSTOMERS_ASKING = SMALL / ORDERS_EACH
const WAITING = 5_000
const CUSTOMERS_WAITING = 100
const CONNECTIONS = 64
const RATIO_MIN = 0.8

/** Row 11: what the size of the tables costs. */
export const largeTables: Scenario = {
  name: "large-tables",
  about: "the same operations on large tables and on small ones, queue on Redis",
  isLong: true,
  async measure(fixture) {
    const stages = [await makeStage(fixture, LARGE), await makeStage(fixture, SMALL)]
    const outcome: Outcome = { rows: [], runs: new Map() }
    for (const [operation, measured] of Object.entries(OPERATIONS)) {
      const sides = stages.map((stage) => ({
        name: nameOf(stage.size),
        ...measured(fixture, stage),
      }))
      const runs = await alternate(sides, fixture.extent.rounds, (done, of, now) =>
        fixture.report(done, of, `${operation}, ${now}`),
      )
      outcome.rows.push({
        row: `11, ${operation}`,
        what: `${operation}, ${nameOf(LARGE)}`,
        to: nameOf(SMALL),
        ratios: ratios(runs, nameOf(LARGE), nameOf(SMALL), perSecond),
        target: { atLeast: RATIO_MIN },
      })
      for (const [side, done] of runs) outcome.runs.set(`${operation}, ${side}`, done)
    }
    return outcome
  },
}

function nameOf(size: number): string {
  return `${size.toLocaleString("en")} orders`
}

/** Tables of one size, and what works on them. */
interface Stage {
  size: number
  tables: BenchDatabase
  database: Database
  redis: QueueServer
  queue: AccrualQueue
  api: Part
  load: HttpLoad
  asking: Customer[]
}

async function makeStage(fixture: Fixture, size: number): Promise<Stage> {
  const tables = await fixture.database()
  const asking = await makeCustomers(tables, CUSTOMERS_ASKING)
  await loadSettled(fixture, tables, size / ORDERS_EACH, ORDERS_EACH)
  await loadWaiting(fixture, tables, await makeCustomers(tables, CUSTOMERS_WAITING), WAITING)
  await tidyUp(tables)
  const redis = await fixture.redis()
  const queue = await fixture.queue(redis)
  const api = await fixture.startApi({ databaseUrl: tables.url, queueUrl: redis.url })
  const load = fixture.load(api, CONNECTIONS)
  return { size, tables, database: fixture.ledger(tables), redis, queue, api, load, asking }
}

type Measured = (fixture: Fixture, stage: Stage) => Omit<Side, "name">

/** In this order: the uploads take the place of the orders that waited. */
const OPERATIONS: Record<string, Measured> = {
  list: reading("/api/user/orders"),
  balance: reading("/api/user/balance"),
  requeue: (fixture, { tables, database, redis, queue }) => ({
    clocks: { bench: fixture.loadClock, PostgreSQL: fixture.postgresClock, Redis: redis.clock },
    prepare: async () => {
      await redis.empty()
      await makeOverdue(tables)
    },
    run: () => requeueAll(fixture, { database, queue }, WAITING),
  }),
  recording: (fixture, stage) => {
    const next = uploadsOf(stage.asking)
    return {
      clocks: { ...apiClocks(fixture, stage), Redis: stage.redis.clock },
      prepare: async () => {
        await stage.redis.empty()
        await deleteWaiting(stage.tables)
      },
      run: () => stage.load.run(fixture.extent.seconds, next, 202),
    }
  },
}

function reading(path: string): Measured {
  return (fixture, stage) => {
    const next = readsOf(stage.asking, path)
    return {
      clocks: apiClocks(fixture, stage),
      run: () => stage.load.run(fixture.extent.seconds, next, 200),
    }
  }
}

function apiClocks(fixture: Fixture, { api }: Stage): Side["clocks"] {
  return { api: api.clock, PostgreSQL: fixture.postgresClock, load: fixture.loadClock }
}
