import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { Client } from "pg"
import { expect } from "vitest"
import { eventually } from "../harness/eventually.ts"
import type { System } from "../harness/system.ts"

export interface BalanceLock {
  release(): Promise<void>
}

/** Locks a user's balance, on a connection of the test's own. */
export async function lockBalance(system: System, login: string): Promise<BalanceLock> {
  const holder = new Client({ connectionString: system.database.url })
  await holder.connect()
  await holder.query("BEGIN")
  await holder.query(
    "SELECT FROM user_balances WHERE user_id = (SELECT id FROM users WHERE login = $1) FOR UPDATE",
    [login],
  )
  return {
    async release() {
      await holder.query("COMMIT")
      await holder.end()
    },
  }
}

/** How many settlements are sent and wait for a lock. */
export async function countWaitingSettlements(system: System): Promise<number> {
  const waiting = await system.database.client.$queryRaw<unknown[]>`
    SELECT FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'gofermart-accrual-worker'
       AND query LIKE '%settle_accruals%' AND state = 'active' AND wait_event_type = 'Lock'`
  return waiting.length
}

export async function untilSettlementWaits(system: System): Promise<void> {
  const look = async () => (await countWaitingSettlements(system)) > 0
  await eventually("a settlement waits for a lock", look)
}

/** When the server last began a settlement for a worker, in milliseconds of its own clock. */
export async function lastSettlementAt(system: System): Promise<number> {
  const [row] = await system.database.client.$queryRaw<{ at: number }[]>`
    SELECT coalesce(max(extract(epoch FROM query_start) * 1000), 0)::float8 AS at
      FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'gofermart-accrual-worker'
       AND query LIKE '%settle_accruals%'`
  return row?.at ?? 0
}

/** Opens the queue of a system for the test's own eyes and hands. */
export async function openQueue(system: Pick<System, "queueUrl">): Promise<AccrualQueue> {
  const queue = await openAccrualQueue(system.queueUrl, createLogger("tests", "silent"))
  await queue.waitUntilReady()
  return queue
}

export async function statusOf(system: System, number: string): Promise<string | undefined> {
  const order = await system.database.client.order.findUnique({
    where: { number },
    select: { accrual: { select: { status: true } } },
  })
  return order?.accrual?.status
}

/** The user has earned these points, in as many steps as there were orders settled, and no more. */
export async function expectEarned(
  system: System,
  login: string,
  points: string,
  steps: number,
): Promise<void> {
  const { balance } = await system.database.client.user.findUniqueOrThrow({
    where: { login },
    select: { balance: true },
  })
  expect([balance?.accrual.toFixed(2), Number(balance?.version)]).toEqual([points, steps])
}

/** No job is left over: neither one that goes on for ever nor one that failed. */
export async function expectQueueEmpty(queue: AccrualQueue): Promise<void> {
  await eventually("no job is left", async () => {
    const counts = await queue.getJobCounts()
    return Object.values(counts).every((count) => count === 0)
  })
}
