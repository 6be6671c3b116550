import { randomUUID } from "node:crypto"
import { type Customer, inTurn, makeCustomers } from "../fixtures/customers.ts"
import { newNumber } from "../fixtures/requests.ts"
import type { BenchDatabase, Fixture } from "../fixtures/fixture.ts"
import type { HttpRequest } from "../measure/http-load.ts"
import { alternate, perSecond, ratios, type Side } from "../measure/rounds.ts"
import type { Scenario } from "./scenario.ts"

const CONNECTIONS = 64
const CUSTOMERS = 1_000
/** More than is spent in any run of the bench, and far less than a balance may be. */
const POINTS = 1_000_000_000
const POINTS_SPENT = 1

const HOT = "one account"
const SPREAD = "1,000 accounts"

/** Row 7: what it costs that one account's withdrawals have to wait for each other. */
export const withdrawals: Scenario = {
  name: "withdrawals",
  about: `withdrawals, each of a new number under a new key, ${CONNECTIONS} connections`,
  isLong: false,
  async measure(fixture) {
    const database = await fixture.database()
    const customers = await makeCustomers(database, CUSTOMERS, POINTS)
    const runs = await alternate(
      await makeSides(fixture, database, customers),
      fixture.extent.rounds,
      fixture.report,
    )
    const row = {
      row: "7",
      what: `withdrawals from ${HOT}`,
      to: SPREAD,
      ratios: ratios(runs, HOT, SPREAD, perSecond),
      target: { atLeast: 0.5 },
    }
    return { rows: [row], runs }
  },
}

async function makeSides(
  fixture: Fixture,
  database: BenchDatabase,
  customers: Customer[],
): Promise<Side[]> {
  const queue = await fixture.redis()
  const api = await fixture.startApi({ databaseUrl: database.url, queueUrl: queue.url })
  const load = fixture.load(api, CONNECTIONS)
  const side = (name: string, those: Customer[]): Side => {
    const next = withdrawalsOf(those)
    return {
      name,
      clocks: { api: api.clock, PostgreSQL: fixture.postgresClock, load: fixture.loadClock },
      run: async () => {
        const before = await countWithdrawals(database)
        const answered = await load.run(fixture.extent.seconds, next, 200)
        const made = (await countWithdrawals(database)) - before
        if (made === answered.operations) return answered
        throw new Error(`${answered.operations} withdrawals were answered, ${made} made`)
      },
    }
  }
  return [side(HOT, customers.slice(0, 1)), side(SPREAD, customers)]
}

function withdrawalsOf(customers: Customer[]): () => HttpRequest {
  const nextCustomer = inTurn(customers)
  return () => ({
    method: "POST",
    path: "/api/user/balance/withdraw",
    headers: {
      ...nextCustomer().headers,
      "content-type": "application/json",
      "idempotency-key": randomUUID(),
    },
    body: JSON.stringify({ order: newNumber(), sum: POINTS_SPENT }),
  })
}

/** These accounts' balances have no version that a withdrawal has not made. */
async function countWithdrawals({ pool }: BenchDatabase): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    "SELECT sum(version)::int AS count FROM user_balances",
  )
  return rows[0]?.count ?? 0
}
