import type { Points } from "@gofermart/shared/domain/points.ts"
import { type Customer, makeCustomers } from "../fixtures/customers.ts"
import type { BenchDatabase, Fixture, Part } from "../fixtures/fixture.ts"
import { makeSettledOrders } from "../fixtures/orders.ts"
import { readsOf } from "../fixtures/requests.ts"
import { alternate, perSecond, type Run, ratios, type Side } from "../measure/rounds.ts"
import type { Row, Scenario } from "./scenario.ts"

const CONNECTIONS = 64
const CUSTOMERS = 200
const ORDERS_EACH = 20
const POINTS_EACH = 729_98 as Points

const BALANCE = "/api/user/balance"
const ORDER_LIST = "/api/user/orders"
const CONSTANT = { balance: "a constant balance", "order list": "a constant order list" }

/** Row 6: what a read costs beside everything that is not its question to the database. */
export const reads: Scenario = {
  name: "reads",
  about: `the balance and the list of ${ORDERS_EACH} orders, ${CONNECTIONS} connections`,
  isLong: false,
  async measure(fixture) {
    const database = await fixture.database()
    const customers = await makeCustomers(database, CUSTOMERS)
    await makeSettledOrders(fixture.ledger(database), customers, ORDERS_EACH, POINTS_EACH)
    // Otherwise the server does it by itself, in the middle of some run.
    await database.pool.query("VACUUM ANALYZE")
    const runs = await alternate(
      await makeSides(fixture, database, customers),
      fixture.extent.rounds,
      fixture.report,
    )
    return { rows: [rowOf(runs, "balance"), rowOf(runs, "order list")], runs }
  },
}

function rowOf(runs: Map<string, Run[]>, what: keyof typeof CONSTANT): Row {
  return {
    row: `6, ${what}`,
    what: `reads of the ${what}`,
    to: `${CONSTANT[what]} from the same server`,
    ratios: ratios(runs, what, CONSTANT[what], perSecond),
    target: { atLeast: 0.5 },
  }
}

async function makeSides(
  fixture: Fixture,
  database: BenchDatabase,
  customers: Customer[],
): Promise<Side[]> {
  const queue = await fixture.redis()
  const settings = { databaseUrl: database.url, queueUrl: queue.url }
  const shipped = await fixture.startApi(settings)
  const constant = await fixture.startApi({
    ...settings,
    baselines: {
      "balance/balances.ts": "constant-balance.ts",
      "orders/order-list.ts": "constant-order-list.ts",
    },
  })
  await checkShipped(shipped, customers)
  return [
    readSide(fixture, shipped, customers, "balance", BALANCE),
    readSide(fixture, shipped, customers, "order list", ORDER_LIST),
    readSide(fixture, constant, customers, CONSTANT.balance, BALANCE),
    readSide(fixture, constant, customers, CONSTANT["order list"], ORDER_LIST),
  ]
}

/** Neither an empty list nor somebody else's balance would be worth measuring. */
async function checkShipped({ url }: Part, [customer]: Customer[]): Promise<void> {
  const read = async (path: string): Promise<unknown> => {
    const answer = await fetch(url + path, { headers: customer?.headers ?? {} })
    return answer.json()
  }
  const { current } = (await read(BALANCE)) as { current: number }
  const orders = (await read(ORDER_LIST)) as unknown[]
  if (current !== (ORDERS_EACH * POINTS_EACH) / 100 || orders.length !== ORDERS_EACH) {
    throw new Error(`a balance of ${current} with ${orders.length} orders`)
  }
}

function readSide(
  fixture: Fixture,
  api: Part,
  customers: Customer[],
  name: string,
  path: string,
): Side {
  const load = fixture.load(api, CONNECTIONS)
  const next = readsOf(customers, path)
  return {
    name,
    clocks: { api: api.clock, PostgreSQL: fixture.postgresClock, load: fixture.loadClock },
    run: () => load.run(fixture.extent.seconds, next, 200),
  }
}
