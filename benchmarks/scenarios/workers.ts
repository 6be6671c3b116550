import { makeBacklog } from "../fixtures/backlog.ts"
import { makeCustomers } from "../fixtures/customers.ts"
import type { Fixture, Part } from "../fixtures/fixture.ts"
import type { CpuClock } from "../measure/cpu.ts"
import { alternate, perSecond, type Run, ratios, type Side } from "../measure/rounds.ts"
import type { Row, Scenario } from "./scenario.ts"

const CUSTOMERS = 1_000
const SCORING_DELAY_MS = 50
const POLLS_AT_ONCE = 20
/** What one worker's polls at once allow; so a run lasts a little longer than it is to. */
const ORDERS_PER_WORKER_S = (POLLS_AT_ONCE * 1_000) / SCORING_DELAY_MS

/** Row 9: what a further worker adds when the scoring system's answers take their time. */
export const workers: Scenario = {
  name: "workers",
  about: `orders settled by several workers, ${SCORING_DELAY_MS} ms for an answer of the scoring system`,
  isLong: false,
  async measure(fixture) {
    const scoring = await fixture.startScoring(SCORING_DELAY_MS)
    const sides = [
      await workersSide(fixture, scoring, 1),
      await workersSide(fixture, scoring, 2),
      await workersSide(fixture, scoring, 4),
    ]
    const runs = await alternate(sides, fixture.extent.rounds, fixture.report)
    return { rows: [rowOf(runs, 2, { atLeast: 0.9 }), rowOf(runs, 4, undefined)], runs }
  },
}

function rowOf(runs: Map<string, Run[]>, count: number, target: Row["target"]): Row {
  const speedUps = ratios(runs, nameOf(count), nameOf(1), perSecond)
  return {
    row: `9, ${count} workers`,
    what: `orders settled by ${count} workers, for each`,
    to: nameOf(1),
    ratios: speedUps.map((speedUp) => speedUp / count),
    target,
  }
}

function nameOf(count: number): string {
  return count === 1 ? "1 worker" : `${count} workers`
}

async function workersSide(fixture: Fixture, scoring: Part, count: number): Promise<Side> {
  const database = await fixture.database()
  const queue = await fixture.redis()
  const customers = await makeCustomers(database, CUSTOMERS)
  const backlog = await makeBacklog(fixture, database, queue, customers)
  const clocks: CpuClock[] = []
  for (let i = 0; i < count; i++) {
    const { clock } = await fixture.startWorker({
      databaseUrl: database.url,
      queueUrl: queue.url,
      scoringUrl: scoring.url,
      env: { WORKER_CONCURRENCY: `${POLLS_AT_ONCE}` },
    })
    clocks.push(clock)
  }
  return {
    name: nameOf(count),
    clocks: {
      workers: () => clocks.reduce((sum, clock) => sum + clock(), 0),
      PostgreSQL: fixture.postgresClock,
      Redis: queue.clock,
      scoring: scoring.clock,
    },
    // As many for each worker, so that the last orders, when some of the polls at once have nothing
    // left to poll, are as large a part of every run.
    prepare: () =>
      backlog.prepare(Math.round(ORDERS_PER_WORKER_S * count * fixture.extent.seconds)),
    run: () => backlog.settle(),
  }
}
