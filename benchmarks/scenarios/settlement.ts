import { setTimeout as sleep } from "node:timers/promises"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import { makeBacklog } from "../lab/backlog.ts"
import { makeCustomers } from "../lab/customers.ts"
import { addJobs } from "../lab/jobs.ts"
import type { Lab, Part } from "../lab/lab.ts"
import { newNumber } from "../lab/requests.ts"
import { alternate, perSecond, ratios, type Side, timed } from "../measure/rounds.ts"
import type { Scenario } from "./scenario.ts"

const CUSTOMERS = 1_000
/** Of one run, for each second that it is to take. */
const ORDERS_PER_SECOND = 3_000
const LOOK_INTERVAL_MS = 20
const EMPTY_TIMEOUT_MS = 120_000

const SHIPPED = "shipped"
const ASKING = "an empty worker making the same got call"
const NODE_HTTP = "node:http in the place of got"

/** Rows 4 and 5: what settling costs beside asking, and what asking with got costs. */
export const settlement: Scenario = {
  name: "settlement",
  about: "orders settled by one worker, instant scoring, queue on Redis",
  isLong: false,
  async measure(lab) {
    const scoring = await lab.startScoring()
    const sides = [
      await settlingSide(lab, scoring, SHIPPED),
      await askingSide(lab, scoring),
      await settlingSide(lab, scoring, NODE_HTTP, {
        "scoring-client/src/client.ts": "node-http-client.ts",
      }),
    ]
    const runs = await alternate(sides, lab.extent.rounds, lab.report)
    const row = (number: string, to: string, atLeast: number) => ({
      row: number,
      what: "settling",
      to,
      ratios: ratios(runs, SHIPPED, to, perSecond),
      target: { atLeast },
    })
    return { rows: [row("4", ASKING, 0.85), row("5", NODE_HTTP, 0.75)], runs }
  },
}

async function settlingSide(
  lab: Lab,
  scoring: Part,
  name: string,
  standIns: Record<string, string> = {},
): Promise<Side> {
  const database = await lab.database()
  const queue = await lab.redis()
  const worker = await lab.startWorker({
    databaseUrl: database.url,
    queueUrl: queue.url,
    scoringUrl: scoring.url,
    standIns,
  })
  const customers = await makeCustomers(database, CUSTOMERS)
  const backlog = await makeBacklog(lab, database, queue, customers)
  return {
    name,
    clocks: {
      worker: worker.clock,
      PostgreSQL: lab.postgresClock,
      Redis: queue.clock,
      scoring: scoring.clock,
    },
    prepare: () => backlog.prepare(lab.extent.seconds * ORDERS_PER_SECOND),
    run: () => backlog.settle(),
  }
}

async function askingSide(lab: Lab, scoring: Part): Promise<Side> {
  const server = await lab.redis()
  const queue = await lab.queue(server)
  const worker = await lab.start("benchmarks/programs/asking-worker.ts", {
    DATABASE_URL: "postgresql://127.0.0.1/none",
    QUEUE_URL: server.url,
    SCORING_URL: scoring.url,
  })
  const orders = lab.extent.seconds * ORDERS_PER_SECOND
  return {
    name: ASKING,
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
