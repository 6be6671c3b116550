import { makeCustomers } from "../lab/customers.ts"
import type { Lab, Part } from "../lab/lab.ts"
import { alternate, type Run, ratios, type Side } from "../measure/rounds.ts"
import { uploadsOf } from "../lab/requests.ts"
import type { Scenario } from "./scenario.ts"

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
const QUIET = "without"

/** Row 12: how much longer uploads take while somebody tries passwords from ever new addresses. */
export const loginFlood: Scenario = {
  name: "login-flood",
  about: `${UPLOADS_PER_S} uploads a second, queue on Redis`,
  isLong: false,
  async measure(lab) {
    const { sides, flood } = await makeSides(lab)
    const runs = await alternate(sides, lab.extent.rounds, lab.report)
    checkFlood(await tell(flood, "stop"))
    const row = {
      row: "12",
      what: `p99 of uploads ${FLOODED}`,
      to: QUIET,
      ratios: ratios(runs, FLOODED, QUIET, p99Ms),
      target: { atMost: 2 },
    }
    return { rows: [row], runs }
  },
}

function p99Ms(run: Run): number {
  return run.p99Ms ?? Number.NaN
}

async function makeSides(lab: Lab): Promise<{ sides: Side[]; flood: Part }> {
  const database = await lab.database()
  const queue = await lab.redis()
  const customers = await makeCustomers(database, CUSTOMERS)
  const api = await lab.startApi({
    databaseUrl: database.url,
    queueUrl: queue.url,
    // So that it believes the flood's addresses.
    env: { TRUSTED_PROXIES: "127.0.0.1/32" },
  })
  const flood = await lab.start("benchmarks/programs/login-flood.ts", { API_URL: api.url })
  const load = lab.load(api, CONNECTIONS)
  const next = uploadsOf(customers)
  const side = (name: string, order: "start" | "stop"): Side => ({
    name,
    clocks: {
      api: api.clock,
      PostgreSQL: lab.postgresClock,
      flood: flood.clock,
      load: lab.loadClock,
    },
    prepare: async () => {
      await queue.empty()
      await tell(flood, order)
    },
    run: () => load.runAt(UPLOADS_PER_S, RUN_FACTOR * lab.extent.seconds, next, 202),
  })
  return { sides: [side(FLOODED, "start"), side(QUIET, "stop")], flood }
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
