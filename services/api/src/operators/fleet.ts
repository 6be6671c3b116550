import { setTimeout as sleep } from "node:timers/promises"
import type { Database } from "@gofermart/shared/db/client.ts"
import { measureBacklog } from "@gofermart/shared/queue/backlog.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import { Gauge } from "prom-client"

/** Looking costs more the more orders wait, so it is done for this part of the time at most. */
const TIME_PART_MAX = 1 / 20
/** Yet this often, since what is older is taken for what nobody looks at. */
const REST_MAX_MS = 30_000

const queueJobs = new Gauge({
  name: "gofermart_queue_jobs",
  help: "Jobs in the accrual queue, by state.",
  labelNames: ["state"],
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
const pauseLeft = new Gauge({
  name: "gofermart_scoring_pause_seconds",
  help: "For how much longer nobody asks the scoring system; 0 without a pause.",
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
  parts: FleetParts,
  intervalMs: number,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const tookMs =
      (await look(
        parts.logger,
        "database",
        () => lookIntoDatabase(parts.database),
        forgetDatabase,
      )) + (await look(parts.logger, "queue", () => lookIntoQueue(parts), forgetQueue))
    const restMs = Math.min(tookMs * (1 / TIME_PART_MAX - 1), REST_MAX_MS)
    await sleep(Math.max(intervalMs, restMs), undefined, { signal }).catch(() => {})
  }
}

/** Resolves with the milliseconds that it took; a source that is away has nothing to rest from. */
async function look(
  logger: Logger,
  source: "database" | "queue",
  ask: () => Promise<void>,
  forget: () => void,
): Promise<number> {
  const begun = performance.now()
  try {
    await ask()
    sampledAt.set({ source }, Date.now() / 1_000)
    return performance.now() - begun
  } catch (error) {
    forget()
    logger.warn({ err: error, source }, "the fleet's metrics could not be looked up")
    return 0
  }
}

function forgetQueue(): void {
  // To `remove` something of a gauge that has labels, they must be named: it throws.
  queueJobs.reset()
  for (const gauge of [duePolls, duePollAge]) gauge.remove()
}

async function lookIntoQueue({ database, queue }: FleetParts): Promise<void> {
  const { jobs, due, longestDueMs } = await measureBacklog(queue, Date.now())
  const dueForMs = due > 0 ? longestDueMs : null
  for (const [state, count] of Object.entries(jobs)) queueJobs.set({ state }, count)
  const [row] = await database.$queryRaw<{ isPaused: boolean }[]>`
    WITH sampled AS (
      INSERT INTO accrual_backlog AS b (due, oldest_due_at, sampled_at)
      VALUES (${due}, clock_timestamp() - ${dueForMs}::float8 * interval '1 millisecond',
              clock_timestamp())
          ON CONFLICT (id) DO UPDATE
         SET due = excluded.due, oldest_due_at = excluded.oldest_due_at,
             sampled_at = excluded.sampled_at
    )
    SELECT EXISTS (SELECT FROM scoring_pause
                    WHERE paused_until > clock_timestamp()) AS "isPaused"`
  const isHeldBack = row?.isPaused === true
  duePolls.set(isHeldBack ? 0 : due)
  duePollAge.set(isHeldBack ? 0 : longestDueMs / 1_000)
}

function forgetDatabase(): void {
  for (const gauge of [unfinishedOrders, unfinishedAge, pauseLeft, discrepancies, ledgerCheckedAt])
    gauge.remove()
}

interface Standing {
  unfinished: number
  unfinishedSeconds: number
  pauseSeconds: number
  discrepancies: number
  checkedAt: number | null
}

async function lookIntoDatabase(database: Database): Promise<void> {
  const [row] = await database.$queryRaw<Standing[]>`
    SELECT u.orders AS unfinished,
           coalesce(extract(epoch FROM clock_timestamp() - u.since), 0)::float8
             AS "unfinishedSeconds",
           coalesce((SELECT greatest(0, extract(epoch FROM paused_until - clock_timestamp()))
                       FROM scoring_pause), 0)::float8 AS "pauseSeconds",
           greatest(l.discrepancies, l.last_discrepancies) AS discrepancies,
           extract(epoch FROM l.last_ended_at)::float8 AS "checkedAt"
      FROM ledger_check l,
           (SELECT count(*)::int AS orders, min(updated_at) AS since
              FROM accruals WHERE status = 'PROCESSING') u`
  if (row === undefined) throw new Error("the ledger's check has no row")
  unfinishedOrders.set(row.unfinished)
  unfinishedAge.set(row.unfinishedSeconds)
  pauseLeft.set(row.pauseSeconds)
  discrepancies.set(row.discrepancies)
  if (row.checkedAt === null) ledgerCheckedAt.remove()
  else ledgerCheckedAt.set(row.checkedAt)
}
