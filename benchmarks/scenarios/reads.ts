import type { Points } from "@gofermart/shared/domain/points.ts"
import { type Customer, makeCustomers } from "../lab/customers.ts"
import type { BenchDatabase, Lab, Part } from "../lab/lab.ts"
import { makeSettledOrders } from "../lab/orders.ts"
import { readsOf } from "../lab/requests.ts"
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
  async measure(lab) {
    const database = await lab.database()
    const customers = await makeCustomers(database, CUSTOMERS)
    await makeSettledOrders(lab.ledger(database), customers, ORDERS_EACH, POINTS_EACH)
    // Otherwise the server does it by itself, in the middle of some run.
    await database.pool.query("VACUUM ANALYZE")
    const runs = await alternate(
      await makeSides(lab, database, customers),
      lab.extent.rounds,
      lab.report,
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
  lab: Lab,
  database: BenchDatabase,
  customers: Customer[],
): Promise<Side[]> {
  const queue = await lab.redis()
  const settings = { databaseUrl: database.url, queueUrl: queue.url }
  const shipped = await lab.startApi(settings)
  const constant = await lab.startApi({
    ...settings,
    standIns: {
      "balance/balances.ts": "constant-balance.ts",
      "orders/order-list.ts": "constant-order-list.ts",
    },
  })
  await checkShipped(shipped, customers)
  return [
    readSide(lab, shipped, customers, "balance", BALANCE),
    readSide(lab, shipped, customers, "order list", ORDER_LIST),
    readSide(lab, constant, customers, CONSTANT.balance, BALANCE),
    readSide(lab, constant, customers, CONSTANT["order list"], ORDER_LIST),
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

function readSide(lab: Lab, api: Part, customers: Customer[], name: string, path: string): Side {
  const load = lab.load(api, CONNECTIONS)
  const next = readsOf(customers, path)
  return {
    name,
    clocks: { api: api.clock, PostgreSQL: lab.postgresClock, load: lab.loadClock },
    run: () => load.run(lab.extent.seconds, next, 200),
  }
}
