import { setTimeout as sleep } from "node:timers/promises"
import { type Customer, makeCustomers } from "../fixtures/customers.ts"
import type { BenchDatabase, Fixture } from "../fixtures/fixture.ts"
import {
  countSettled,
  type LimitedScoring,
  startLimitedScoring,
  untilSettled,
} from "../fixtures/limited-fleet.ts"
import { uploadsOf } from "../fixtures/requests.ts"
import type { HttpLoad, HttpRequest } from "../measure/http-load.ts"
import { p50Ms, ratios, type Run } from "../measure/rounds.ts"
import type { Scenario } from "./scenario.ts"

const LIMIT_PER_MINUTE = 600
/** With more than a minute's polls the limit is met, and known. */
const LEARNING_ORDERS = 700
const LEARNED_MINUTES_MAX = 5
const WORKERS = 2
const CONNECTIONS = 64
const CROWD = 3
const ORDERS_OF_EACH = 10_000
const LATER_MS = 20 * 60_000
const NEWCOMERS = 10
const POLLED_WITHIN_MS = 600_000
const LOOK_INTERVAL_MS = 50
const RATIO_MAX = 3

const ALONE = "with nobody waiting"
const AT_ONCE = "at once"
const LATER = "20 minutes later"

/** Row 18: how long a customer's only order waits beside those of customers with very many. */
export const fairShare: Scenario = {
  name: "fair-share",
  about: `${CROWD} customers' ${ORDERS_OF_EACH} orders each, ${LIMIT_PER_MINUTE} requests a minute allowed, ${WORKERS} workers; then ${NEWCOMERS} customers with one order each`,
  isLong: true,
  async measure(fixture) {
    const backends = [
      { backend: "Redis", redis: true },
      { backend: "PostgreSQL", redis: false },
    ]
    // They wait most of the time: side by side they are no load to each other.
    const measured = await Promise.all(
      backends.map(async ({ backend, redis }) => ({
        backend,
        runs: await overrun(fixture, redis),
      })),
    )
    return {
      rows: measured.flatMap(({ backend, runs }) =>
        [AT_ONCE, LATER].map((when) => ({
          row: `18, ${backend}, ${when}`,
          what: `time to a newcomer's first poll ${when}, queue on ${backend}`,
          to: ALONE,
          ratios: ratios(runs, when, ALONE, p50Ms),
          target: { atMost: RATIO_MAX },
        })),
      ),
      runs: new Map(
        measured.flatMap(({ backend, runs }) =>
          [...runs].map(([side, done]) => [`${backend}, ${side}`, done] as const),
        ),
      ),
    }
  },
}

async function overrun(fixture: Fixture, redis: boolean): Promise<Map<string, Run[]>> {
  const database = await fixture.database()
  const queueUrl = redis ? (await fixture.redis()).url : database.url
  const scoring = await startLimitedScoring(fixture, LIMIT_PER_MINUTE)
  const settings = { databaseUrl: database.url, queueUrl, scoringUrl: scoring.url }
  const api = await fixture.startApi(settings)
  for (let i = 0; i < WORKERS; i++) await fixture.startWorker(settings)
  const load = fixture.load(api, CONNECTIONS)
  const crowd = await makeCustomers(database, CROWD)
  const newcomers = () => newcomersWait(database, load, scoring, fixture.extent.rounds)

  await load.runCount(LEARNING_ORDERS, uploadsOf(crowd), 202)
  const fleet = { settled: () => countSettled(database) }
  await untilSettled(fleet, LEARNING_ORDERS, LEARNED_MINUTES_MAX, () => fixture.report(0, 1, ALONE))
  const alone = await newcomers()
  for (const customer of crowd) await load.runCount(ORDERS_OF_EACH, uploadsOf([customer]), 202)
  const uploadedAt = performance.now()
  const atOnce = await newcomers()
  while (performance.now() < uploadedAt + LATER_MS) {
    fixture.report(performance.now() - uploadedAt, LATER_MS, "the crowd is being settled")
    await sleep(1_000)
  }
  const later = await newcomers()
  return new Map([
    [ALONE, alone],
    [AT_ONCE, atOnce],
    [LATER, later],
  ])
}

/** In each round as many who have one order each come at once, and the round ends when all are polled. */
async function newcomersWait(
  database: BenchDatabase,
  load: HttpLoad,
  scoring: LimitedScoring,
  rounds: number,
): Promise<Run[]> {
  const runs: Run[] = []
  for (let round = 0; round < rounds; round++) {
    const uploads = (await makeCustomers(database, NEWCOMERS)).map(uploadOf)
    const next = uploads.values()
    await scoring.forgetCalls()
    const uploadedAt = Date.now()
    await load.runCount(NEWCOMERS, () => next.next().value as HttpRequest, 202)
    const numbers = new Set(uploads.map(({ body }) => body))
    const waitsMs = (await untilPolled(scoring, numbers)).map((at) => at - uploadedAt)
    const longestMs = waitsMs.at(-1) ?? 0
    runs.push({
      operations: NEWCOMERS,
      seconds: longestMs / 1_000,
      p50Ms: waitsMs[NEWCOMERS / 2] ?? 0,
      p99Ms: longestMs,
      cpu: {},
    })
  }
  return runs
}

/** When each of these orders was polled, in epoch milliseconds and in that order, once all were. */
async function untilPolled(
  scoring: LimitedScoring,
  numbers: Set<string | undefined>,
): Promise<number[]> {
  const polledBy = performance.now() + POLLED_WITHIN_MS
  for (;;) {
    await sleep(LOOK_INTERVAL_MS)
    const calls = await scoring.calls()
    const polls = calls.filter(({ number, status }) => status === 200 && numbers.has(number))
    if (polls.length >= numbers.size) return polls.map(({ at }) => at)
    if (performance.now() > polledBy) throw new Error("newcomers' orders were not polled")
  }
}

function uploadOf(customer: Customer): HttpRequest {
  return uploadsOf([customer])()
}
