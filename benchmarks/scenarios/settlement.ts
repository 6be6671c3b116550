import { setTimeout as sleep } from "node:timers/promises"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import { makeBacklog } from "../fixtures/backlog.ts"
import { makeCustomers } from "../fixtures/customers.ts"
import { addJobs } from "../fixtures/jobs.ts"
import type { Fixture, Part } from "../fixtures/fixture.ts"
import { newNumber } from "../fixtures/requests.ts"
import { alternate, perSecond, ratios, type Side, timed } from "../measure/rounds.ts"
import type { Scenario } from "./scenario.ts"

const CUSTOMERS = 1_000
/** Of one run, for each second that it is to take. */
const ORDERS_PER_SECOND = 3_000
const LOOK_INTERVAL_MS = 20
const EMPTY_TIMEOUT_MS = 120_000

const SHIPPED = "shipped"
const POLLING = "an empty worker making the same got call"
const NODE_HTTP = "node:http in the place of got"

/** Rows 4 and 5: what settling costs beside polling, and what polling with got costs. */
export const settlement: Scenario = {
  name: "settlement",
  about: "orders settled by one worker, instant scoring, queue on Redis",
  isLong: false,
  async measure(fixture) {
    const scoring = await fixture.startScoring()
    const sides = [
      await settlingSide(fixture, scoring, SHIPPED),
      await pollingSide(fixture, scoring),
      await settlingSide(fixture, scoring, NODE_HTTP, {
        "scoring-client/src/client.ts": "node-http-client.ts",
      }),
    ]
    const runs = await alternate(sides, fixture.extent.rounds, fixture.report)
    const row = (number: string, to: string, atLeast: number) => ({
      row: number,
      what: "settling",
      to,
      ratios: ratios(runs, SHIPPED, to, perSecond),
      target: { atLeast },
    })
    return { rows: [row("4", POLLING, 0.85), row("5", NODE_HTTP, 0.75)], runs }
  },
}

async function settlingSide(
  fixture: Fixture,
  scoring: Part,
  name: string,
  baselines: Record<string, string> = {},
): Promise<Side> {
  const database = await fixture.database()
  const queue = await fixture.redis()
  const worker = await fixture.startWorker({
    databaseUrl: database.url,
    queueUrl: queue.url,
    scoringUrl: scoring.url,
    baselines,
  })
  const customers = await makeCustomers(database, CUSTOMERS)
  const backlog = await makeBacklog(fixture, database, queue, customers)
  return {
    name,
    clocks: {
      worker: worker.clock,
      PostgreSQL: fixture.postgresClock,
      Redis: queue.clock,
      scoring: scoring.clock,
    },
    prepare: () => backlog.prepare(fixture.extent.seconds * ORDERS_PER_SECOND),
    run: () => backlog.settle(),
  }
}

async function pollingSide(fixture: Fixture, scoring: Part): Promise<Side> {
  const server = await fixture.redis()
  const queue = await fixture.queue(server)
  const worker = await fixture.start("benchmarks/processes/polling-worker.ts", {
    DATABASE_URL: "postgresql://127.0.0.1/none",
    QUEUE_URL: server.url,
    SCORING_URL: scoring.url,
  })
  const orders = fixture.extent.seconds * ORDERS_PER_SECOND
  return {
    name: POLLING,
    clocks: { worker: worker.clock, Redis: server.clock, scoring: scoring.clock },
    async prepare() {
      await queue.pause()
      await addJobs(queue, Array.from({ length: orders }, newNumber))
    },
    run: () =>
      timed(orders, async () => {
        await queue.resume()
        await untilEmpty(queue)
      }),
  }
}

async function untilEmpty(queue: AccrualQueue): Promise<void> {
  const ends = performance.now() + EMPTY_TIMEOUT_MS
  while ((await queue.getJobCountByTypes("wait", "active")) > 0) {
    if (performance.now() > ends) throw new Error("the empty worker does not work its queue off")
    await sleep(LOOK_INTERVAL_MS)
  }
}
