import { setTimeout as sleep } from "node:timers/promises"
import type { Database } from "@gofermart/shared/db/client.ts"
import { POLLED } from "@gofermart/shared/db/statuses.ts"
import { type Backlog, measureBacklog } from "@gofermart/shared/queue/backlog.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import { Gauge } from "prom-client"
import { lookIntoPace, paceGauges } from "./pace-metrics.ts"

/** Looking costs more the more orders wait, so it is done for this part of the time at most. */
const TIME_PART_MAX = 1 / 20
/** Yet this often, since what is older is taken for what nobody looks at. */
const REST_MAX_MS = 30_000

const queueJobs = new Gauge({
  name: "gofermart_queue_jobs",
  help: "Jobs in the accrual queue, by state.",
  labelNames: ["state"],
})
const queuePaused = new Gauge({
  name: "gofermart_queue_paused",
  help: "1 while an operator has paused the queue: no worker begins anything.",
})
const duePolls = new Gauge({
  name: "gofermart_polls_due",
  help: "Polls whose time has come and that no worker has begun; 0 during a pause.",
})
const duePollAge = new Gauge({
  name: "gofermart_polls_due_age_seconds",
  help: "For how long the longest of them has been due.",
})
const unfinishedOrders = new Gauge({
  name: "gofermart_orders_unfinished",
  help: "Orders that wait for a verdict.",
})
const unfinishedAge = new Gauge({
  name: "gofermart_orders_unfinished_age_seconds",
  help: "For how long the longest of them has waited.",
})
const discrepancies = new Gauge({
  name: "gofermart_ledger_discrepancies",
  help: "Balances, and rows behind them, that the check of the ledger found wrong. Must be 0.",
})
const ledgerCheckedAt = new Gauge({
  name: "gofermart_ledger_checked_timestamp_seconds",
  help: "When the check of the ledger last had gone through all users.",
})
const sampledAt = new Gauge({
  name: "gofermart_fleet_sampled_timestamp_seconds",
  help: "When the source last told what the metrics of the whole fleet show.",
  labelNames: ["source"],
})

interface FleetParts {
  database: Database
  queue: AccrualQueue
  logger: Logger
}

/**
 * Keeps the metrics that are not one process's but the fleet's: they are looked up in the database
 * and the queue, so each instance of the API shows the same. It also leaves the backlog in the
 * database, for an autoscaler that asks there. Ends when the signal aborts.
 *
 * While a source is away its metrics are absent, instead of telling what was.
 */
export async function watchFleet(
  { database, queue, logger }: FleetParts,
  intervalMs: number,
  signal: AbortSignal,
): Promise<void> {
  let isPaused = false
  const looks: Look[] = [
    {
      source: "database",
      gauges: [...paceGauges, discrepancies, ledgerCheckedAt],
      async ask() {
        await lookIntoLedger(database)
        isPaused = await lookIntoPace(database)
      },
    },
    {
      source: "orders",
      gauges: [unfinishedOrders, unfinishedAge],
      ask: () => lookIntoOrders(database),
    },
    {
      source: "queue",
      gauges: [duePolls, duePollAge, queuePaused, queueJobs],
      async ask() {
        const backlog = await lookIntoQueue(queue, isPaused)
        await leaveSample(database, backlog).catch((error: unknown) => {
          logger.warn({ err: error }, "the backlog could not be left in the database")
        })
      },
    },
  ]
  while (!signal.aborted) {
    const begun = performance.now()
    for (const look of looks) await run(look, logger)
    const restMs = (performance.now() - begun) * (1 / TIME_PART_MAX - 1)
    await sleep(Math.max(intervalMs, Math.min(restMs, REST_MAX_MS)), undefined, {
      signal,
    }).catch(() => {})
  }
}

interface Look {
  source: "database" | "orders" | "queue"
  gauges: Gauge[]
  ask: () => Promise<void>
}

async function run({ source, gauges, ask }: Look, logger: Logger): Promise<void> {
  try {
    await ask()
    sampledAt.set({ source }, Date.now() / 1_000)
  } catch (error) {
    forget(gauges)
    logger.warn({ err: error, source }, "the fleet's metrics could not be looked up")
  }
}

function forget(gauges: Gauge[]): void {
  for (const gauge of gauges) {
    gauge.reset()
    // One without labels would then be 0; of one with labels, to remove something is to name it.
    if (gauge !== queueJobs) gauge.remove()
  }
}

async function lookIntoQueue(queue: AccrualQueue, isHeldBack: boolean): Promise<Backlog> {
  const backlog = await measureBacklog(queue, Date.now())
  for (const [state, count] of Object.entries(backlog.jobs)) queueJobs.set({ state }, count)
  queuePaused.set(Number(backlog.isPaused))
  duePolls.set(isHeldBack ? 0 : backlog.due)
  duePollAge.set(isHeldBack ? 0 : backlog.longestDueMs / 1_000)
  return backlog
}

async function leaveSample(database: Database, { due, longestDueMs }: Backlog): Promise<void> {
  const dueForMs = due > 0 ? longestDueMs : null
  await database.$executeRaw`
    INSERT INTO accrual_backlog AS b (due, oldest_due_at, sampled_at)
    VALUES (${due}, clock_timestamp() - ${dueForMs}::float8 * interval '1 millisecond',
            clock_timestamp())
        ON CONFLICT (id) DO UPDATE
       SET due = excluded.due, oldest_due_at = excluded.oldest_due_at,
           sampled_at = excluded.sampled_at`
}

async function lookIntoLedger(database: Database): Promise<void> {
  const [row] = await database.$queryRaw<{ discrepancies: number; checkedAt: number | null }[]>`
    SELECT greatest(discrepancies, last_discrepancies) AS discrepancies,
           extract(epoch FROM last_ended_at)::float8 AS "checkedAt"
      FROM ledger_check`
  if (row === undefined) throw new Error("the ledger's check has no row")
  discrepancies.set(row.discrepancies)
  if (row.checkedAt === null) ledgerCheckedAt.remove()
  else ledgerCheckedAt.set(row.checkedAt)
}

async function lookIntoOrders(database: Database): Promise<void> {
  const [row] = await database.$queryRaw<{ orders: number; seconds: number }[]>`
    SELECT count(*)::int AS orders,
           coalesce(extract(epoch FROM clock_timestamp() - min(updated_at)), 0)::float8 AS seconds
      FROM accruals WHERE status IN (${POLLED})`
  unfinishedOrders.set(row?.orders ?? 0)
  unfinishedAge.set(row?.seconds ?? 0)
}
