import { setTimeout as sleep } from "node:timers/promises"
import { untilAllFinal } from "../fixtures/backlog.ts"
import { makeCustomers } from "../fixtures/customers.ts"
import type { BenchDatabase, Fixture, Part } from "../fixtures/fixture.ts"
import { residentBytes } from "../fixtures/resident.ts"
import type { CpuClock } from "../measure/cpu.ts"
import { type Done, withCpu } from "../measure/rounds.ts"
import { uploadsOf } from "../fixtures/requests.ts"
import type { Row, Scenario } from "./scenario.ts"

const DURATION_S = 600
/** The parts of it that are compared: the second minute and the last one. */
const WARM = { fromS: 60, toS: 120 }
const END = { fromS: DURATION_S - 60, toS: DURATION_S }
const SAMPLE_INTERVAL_S = 1
const CONNECTIONS = 64
const CUSTOMERS = 1_000
/** More orders than these, and uploads wait: the worker has enough to do for several seconds. */
const UNSETTLED_MAX = 20_000
const RATIO_MAX = 1.1

/** Row 14: whether the services keep what they have done with. */
export const memory: Scenario = {
  name: "memory",
  about: `${DURATION_S / 60} minutes of uploads and their settlement at full speed, queue on Redis`,
  isLong: true,
  async measure(fixture) {
    const system = await startSystem(fixture)
    const { samples, ...run } = await withCpu(system.clocks, () => runSystem(fixture, system))
    await checkSettled(system.database, run.operations)
    return {
      rows: [rowOf(samples, "API"), rowOf(samples, "worker")],
      runs: new Map([["uploads and their settlement", [run]]]),
    }
  },
}

function rowOf(samples: Sample[], part: "API" | "worker"): Row {
  const meanBytes = ({ fromS, toS }: { fromS: number; toS: number }) => {
    const within = samples.filter(({ atS }) => atS > fromS && atS <= toS)
    return within.reduce((sum, sample) => sum + sample[part], 0) / within.length
  }
  return {
    row: `14, ${part}`,
    what: `resident memory of the ${part} in the last minute`,
    to: "in the second minute",
    ratios: [meanBytes(END) / meanBytes(WARM)],
    target: { atMost: RATIO_MAX },
  }
}

interface System {
  database: BenchDatabase
  api: Part
  worker: Part
  clocks: Record<string, CpuClock>
  /** Uploads for so many seconds and resolves with how many orders. */
  upload: (seconds: number) => Promise<number>
}

async function startSystem(fixture: Fixture): Promise<System> {
  const database = await fixture.database()
  const queue = await fixture.redis()
  const scoring = await fixture.startScoring()
  const customers = await makeCustomers(database, CUSTOMERS)
  const settings = { databaseUrl: database.url, queueUrl: queue.url, scoringUrl: scoring.url }
  const api = await fixture.startApi(settings)
  const worker = await fixture.startWorker(settings)
  const load = fixture.load(api, CONNECTIONS)
  const next = uploadsOf(customers)
  return {
    database,
    api,
    worker,
    clocks: {
      api: api.clock,
      worker: worker.clock,
      PostgreSQL: fixture.postgresClock,
      Redis: queue.clock,
      scoring: scoring.clock,
      load: fixture.loadClock,
    },
    upload: async (seconds) => (await load.run(seconds, next, 202)).operations,
  }
}

/** Bytes that are resident, and when. */
interface Sample {
  atS: number
  API: number
  worker: number
}

async function runSystem(fixture: Fixture, system: System): Promise<Done & { samples: Sample[] }> {
  const { database, api, worker, upload } = system
  const samples: Sample[] = []
  const begun = performance.now()
  const elapsedS = () => (performance.now() - begun) / 1_000
  let operations = 0
  while (elapsedS() < DURATION_S) {
    const unsettled = await countUnsettled(database)
    fixture.report(Math.round(elapsedS()), DURATION_S, `${unsettled} orders are not settled`)
    if (unsettled > UNSETTLED_MAX) await sleep(SAMPLE_INTERVAL_S * 1_000)
    else operations += await upload(SAMPLE_INTERVAL_S)
    samples.push({
      atS: elapsedS(),
      API: await residentBytes(api.child.pid),
      worker: await residentBytes(worker.child.pid),
    })
  }
  return { operations, seconds: elapsedS(), samples }
}

async function countUnsettled({ pool }: BenchDatabase): Promise<number> {
  const { rows } = await pool.query<{ count: string }>(
    "SELECT count(*) FROM accruals WHERE status = 'PROCESSING'",
  )
  return Number(rows[0]?.count)
}

async function checkSettled(database: BenchDatabase, uploaded: number): Promise<void> {
  await untilAllFinal(database)
  const { rows } = await database.pool.query<{ settled: string }>(
    "SELECT count(*) AS settled FROM accruals WHERE status = 'PROCESSED'",
  )
  const settled = Number(rows[0]?.settled)
  if (settled !== uploaded) throw new Error(`${settled} of ${uploaded} orders were settled`)
}
