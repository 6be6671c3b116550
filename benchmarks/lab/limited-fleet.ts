import { setTimeout as sleep } from "node:timers/promises"
import { addPolls } from "@gofermart/shared/queue/poll-job.ts"
import { inTurn, makeCustomers } from "./customers.ts"
import type { BenchDatabase, Lab } from "./lab.ts"
import { recordNewOrders } from "./orders.ts"

const CUSTOMERS = 100
const WORKERS = 4
const LOOK_INTERVAL_MS = 100
const MINUTE_MS = 60_000

/** A call to the scoring system: when it arrived, in epoch milliseconds, and its answer. */
export interface Call {
  at: number
  status: number | null
}

/** Orders that wait, a scoring system that allows so many requests a minute, and four workers. */
export interface LimitedFleet {
  /** How many orders are settled. */
  settled(): Promise<number>
  behave(behaviour: Record<string, number | boolean>): Promise<void>
  calls(): Promise<Call[]>
  start(): Promise<void>
}

export async function makeLimitedFleet(
  lab: Lab,
  orders: number,
  requestsPerMinute: number,
): Promise<LimitedFleet> {
  const database = await lab.database()
  const server = await lab.redis()
  const scoring = await lab.start("packages/scoring-simulator/src/main.ts", {
    SIMULATOR_ADDRESS: "127.0.0.1:0",
    SIMULATOR_AUTO_REGISTER: "true",
    SIMULATOR_REQUESTS_PER_MINUTE: `${requestsPerMinute}`,
  })
  const ledger = lab.ledger(database)
  const queue = await lab.queue(server)
  const nextCustomer = inTurn(await makeCustomers(database, CUSTOMERS))
  for await (const numbers of recordNewOrders(ledger, nextCustomer, orders)) {
    await addPolls(queue, numbers)
  }
  return {
    settled: () => countSettled(database),
    async behave(behaviour) {
      const response = await fetch(`${scoring.url}/api/behaviour`, {
        method: "PUT",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(behaviour),
      })
      if (!response.ok) throw new Error(`the simulator answered ${response.status}`)
    },
    async calls() {
      const response = await fetch(`${scoring.url}/api/calls`)
      return (await response.json()) as Call[]
    },
    async start() {
      const settings = {
        databaseUrl: database.url,
        queueUrl: server.url,
        scoringUrl: scoring.url,
      }
      await Promise.all(Array.from({ length: WORKERS }, () => lab.startWorker(settings)))
    },
  }
}

async function countSettled({ pool }: BenchDatabase): Promise<number> {
  const { rows } = await pool.query<{ settled: string }>(
    "SELECT count(*) AS settled FROM accruals WHERE status = 'PROCESSED'",
  )
  return Number(rows[0]?.settled)
}

/** Resolves when so many orders are settled; fails after `minutes`. */
export async function untilSettled(
  fleet: LimitedFleet,
  orders: number,
  minutes: number,
  report: (settled: number) => void,
): Promise<void> {
  const ends = performance.now() + minutes * MINUTE_MS
  for (;;) {
    const settled = await fleet.settled()
    report(settled)
    if (settled >= orders) return
    if (performance.now() > ends) throw new Error(`${settled} orders after ${minutes} minutes`)
    await sleep(LOOK_INTERVAL_MS)
  }
}
