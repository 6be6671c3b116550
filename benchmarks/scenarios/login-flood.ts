import { makeCustomers } from "../fixtures/customers.ts"
import type { Fixture, Part } from "../fixtures/fixture.ts"
import { alternate, p99Ms, ratios, type Side } from "../measure/rounds.ts"
import { uploadsOf } from "../fixtures/requests.ts"
import type { Row, Scenario } from "./scenario.ts"

const CONNECTIONS = 32
const UPLOADS_PER_S = 200
const CUSTOMERS = 1_000
/** Of a usual run's length: with fewer uploads a hundredth of them is too few to tell. */
const RUN_FACTOR = 3
/** Passwords that must have been tried, so that it was a flood. */
const ATTEMPTS_MIN = 20

/** What a wrong password may be answered with. */
const REFUSALS = ["401", "429", "503"]

const FLOODED = "during a flood of wrong passwords"
/** What a second process costs that does nothing but use a core in the same way. */
const BESIDE_HASHING = "while another process hashes passwords"
const QUIET = "without"

/** Row 12: how much longer uploads take while somebody tries passwords from ever new addresses. */
export const loginFlood: Scenario = {
  name: "login-flood",
  about: `${UPLOADS_PER_S} uploads a second, queue on Redis`,
  isLong: false,
  async measure(fixture) {
    const { sides, flood } = await makeSides(fixture)
    const runs = await alternate(sides, fixture.extent.rounds, fixture.report)
    checkFlood(await tell(flood, "stop"))
    const row = (to: string, target: Row["target"]): Row => ({
      row: `12, ${to}`,
      what: `p99 of uploads ${FLOODED}`,
      to,
      ratios: ratios(runs, FLOODED, to, p99Ms),
      target,
    })
    return { rows: [row(QUIET, { atMost: 2 }), row(BESIDE_HASHING, undefined)], runs }
  },
}

async function makeSides(fixture: Fixture): Promise<{ sides: Side[]; flood: Part }> {
  const database = await fixture.database()
  const queue = await fixture.redis()
  const customers = await makeCustomers(database, CUSTOMERS)
  const api = await fixture.startApi({
    databaseUrl: database.url,
    queueUrl: queue.url,
    // So that it believes the flood's addresses.
    env: { TRUSTED_PROXIES: "127.0.0.1/32" },
  })
  const flood = await fixture.start("benchmarks/processes/login-flood.ts", { API_URL: api.url })
  const hashing = await fixture.start("benchmarks/processes/hashing.ts", {})
  const load = fixture.load(api, CONNECTIONS)
  const next = uploadsOf(customers)
  const side = (name: string, switchedOn?: Part): Side => ({
    name,
    clocks: {
      api: api.clock,
      PostgreSQL: fixture.postgresClock,
      flood: flood.clock,
      hashing: hashing.clock,
      load: fixture.loadClock,
    },
    prepare: async () => {
      await queue.empty()
      for (const part of [flood, hashing]) await tell(part, part === switchedOn ? "start" : "stop")
    },
    run: () => load.runAt(UPLOADS_PER_S, RUN_FACTOR * fixture.extent.seconds, next, 202),
  })
  return { sides: [side(FLOODED, flood), side(BESIDE_HASHING, hashing), side(QUIET)], flood }
}

/** Gives how often each status came so far. */
async function tell({ url }: Part, order: "start" | "stop"): Promise<Record<string, number>> {
  const answer = await fetch(`${url}/${order}`, { method: "POST" })
  return (await answer.json()) as Record<string, number>
}

function checkFlood(answers: Record<string, number>): void {
  const others = Object.keys(answers).filter((status) => !REFUSALS.includes(status))
  if ((answers["401"] ?? 0) >= ATTEMPTS_MIN && others.length === 0) return
  throw new Error(`the flood was answered with ${JSON.stringify(answers)}`)
}
