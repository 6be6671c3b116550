import type { Fixture } from "../fixtures/fixture.ts"
import { type Call, makeLimitedFleet, untilSettled } from "../fixtures/limited-fleet.ts"
import type { Run } from "../measure/rounds.ts"
import type { Row, Scenario } from "./scenario.ts"

const ORDERS = 3_000
const LIMIT_PER_MINUTE = 600
const MINUTES_MAX = 12
const TO_IDEAL_MAX = 1.1
const EPISODES_MAX = 3
/** 429s within it are one episode. */
const EPISODE_GAP_MS = 1_000
const TOO_MANY_REQUESTS = 429

/** A limit, and to what it changes when half of the orders are settled. */
const CASES = [
  { name: "stays", changedTo: LIMIT_PER_MINUTE },
  { name: "falls to 300", changedTo: 300 },
  { name: "rises to 1,200", changedTo: 1_200 },
]

/** Row 15: how near a fleet comes to what the scoring system allows. */
export const pace: Scenario = {
  name: "pace",
  about: `${ORDERS} orders, 4 workers, ${LIMIT_PER_MINUTE} requests a minute allowed, which may change half-way`,
  isLong: true,
  async measure(fixture) {
    // They wait most of the time: side by side they are no load to each other.
    const drains = await Promise.all(CASES.map(({ changedTo }) => drain(fixture, changedTo)))
    return {
      rows: drains.flatMap((drained, i) => rowsOf(CASES[i]?.name ?? "", drained)),
      runs: new Map(drains.map(({ run }, i) => [`limit ${CASES[i]?.name}`, [run]])),
    }
  },
}

interface Drain {
  run: Run
  idealS: number
  episodes: number
}

function rowsOf(name: string, { run, idealS, episodes }: Drain): Row[] {
  return [
    {
      row: `15, ${name}`,
      what: `time to settle all, the limit ${name}`,
      to: "orders ÷ limit",
      ratios: [run.seconds / idealS],
      target: { atMost: TO_IDEAL_MAX },
    },
    {
      row: `15, ${name}, 429s`,
      what: "episodes of 429",
      to: "1",
      ratios: [episodes],
      target: { atMost: EPISODES_MAX },
    },
  ]
}

async function drain(fixture: Fixture, changedTo: number): Promise<Drain> {
  const fleet = await makeLimitedFleet(fixture, ORDERS, LIMIT_PER_MINUTE)
  const report = (settled: number) =>
    fixture.report(settled, ORDERS, `${settled} orders are settled`)
  const begun = performance.now()
  await fleet.start()
  await untilSettled(fleet, ORDERS / 2, MINUTES_MAX, report)
  if (changedTo !== LIMIT_PER_MINUTE) await fleet.behave({ requestsPerMinute: changedTo })
  await untilSettled(fleet, ORDERS, MINUTES_MAX, report)
  const seconds = (performance.now() - begun) / 1_000
  return {
    run: { operations: ORDERS, seconds, cpu: {} },
    idealS: (ORDERS / 2 / LIMIT_PER_MINUTE + ORDERS / 2 / changedTo) * 60,
    episodes: countEpisodes(await fleet.calls()),
  }
}

function countEpisodes(calls: Call[]): number {
  const refused = calls.filter(({ status }) => status === TOO_MANY_REQUESTS).map(({ at }) => at)
  return refused.filter((at, i) => at - (refused[i - 1] ?? -Infinity) > EPISODE_GAP_MS).length
}
