import { batchedWrites } from "@gofermart/shared/db/batched-calls.ts"
import type { Database } from "@gofermart/shared/db/client.ts"
import { type AnsweredOrder, settleAccruals } from "@gofermart/shared/ledger/settle-accruals.ts"
import { type AccrualWorker, openAccrualWorker } from "@gofermart/shared/queue/backend.ts"
import { aboutJob, type PollPayload, readPollPayload } from "@gofermart/shared/queue/poll-job.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import { Job, UnrecoverableError } from "bullmq"
import { Counter } from "prom-client"
import type { Config } from "./config.ts"
import type { Progress } from "./operator/liveness.ts"
import type { ScoringClient } from "@gofermart/scoring-client/client.ts"
import { openLeaseHolder } from "./requeue/hold-lease.ts"
import type { ScoringPacer } from "./pacing/pacer.ts"
import { backoffMs } from "./settlement/delays.ts"
import { pollOrder } from "./settlement/poll-order.ts"

const failedJobs = new Counter({
  name: "gofermart_jobs_failed_total",
  help: "Jobs that wait on the board for an operator.",
})
const stalledJobs = new Counter({
  name: "gofermart_jobs_taken_over_total",
  help: "Jobs whose worker was gone, as this worker found.",
})

const SETTLEMENTS_PER_BATCH_MAX = 256
const BATCHES_IN_FLIGHT_MAX = 2

/**
 * A job whose worker died is taken over when its lock has run out and two checks have seen it, one
 * that marks it and one that acts; a check that just misses its turn is left out: within half a
 * minute.
 */
const LOCK_MS = 10_000
const STALLED_CHECK_INTERVAL_MS = 5_000
/** Orders are idempotent to settle: a job may be recovered any number of times. */
const RECOVERIES_MAX = 1_000_000_000
/** How soon after an error of the backend the next command is tried. */
const BACKEND_RETRY_DELAY_MS = 1_000
/** For which a worker waits that may begin nothing, before it looks whether that is still so. */
const HELD_BACK_MAX_MS = 1_000

/** Starts taking jobs. Closing it waits for the polls under way. */
export async function startWorker(
  config: Config,
  parts: {
    database: Database
    scoring: ScoringClient
    pacer: ScoringPacer
    progress: Progress
    logger: Logger
  },
): Promise<AccrualWorker> {
  const { database, logger } = parts
  const settlement = batchedWrites(
    (answered: AnsweredOrder[]) => settleAccruals(database, answered, config.graceMs),
    {
      name: "settle_accruals",
      itemsPerBatchMax: SETTLEMENTS_PER_BATCH_MAX,
      batchesInFlightMax: BATCHES_IN_FLIGHT_MAX,
      itemsWaitingMax: config.concurrency,
      ownerOf: ({ number }) => number,
    },
  )
  const leases = openLeaseHolder(database, config.lease.minMs, config.concurrency)
  const orders = { ...parts, settlement, leases, graceMs: config.graceMs }
  const worker = await openAccrualWorker(
    config.queueUrl,
    logger,
    (job, token) => parts.progress.of(() => pollOrder(orders, job, token)),
    {
      concurrency: config.concurrency,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_CHECK_INTERVAL_MS,
      maxStalledCount: RECOVERIES_MAX,
      runRetryDelay: BACKEND_RETRY_DELAY_MS,
      maximumRateLimitDelay: HELD_BACK_MAX_MS,
      settings: { backoffStrategy: errorBackoffMs },
    },
  )
  worker.on("failed", (job, error) => {
    // BullMQ tells of every error; of this one `pollOrder` has, and the others are tried again.
    if (error instanceof UnrecoverableError) failedJobs.inc()
    else logger.error({ ...(job && aboutJob(job)), err: error }, "a poll broke off; it is repeated")
  })
  worker.on("stalled", (jobId) => {
    stalledJobs.inc()
    void logTakenOver(worker, jobId, logger)
  })
  return worker
}

/** The event has the job's id alone. */
async function logTakenOver(worker: AccrualWorker, jobId: string, logger: Logger): Promise<void> {
  const job = await Job.fromId<PollPayload>(worker, jobId).catch(() => undefined)
  logger.warn(job === undefined ? { jobId } : aboutJob(job), "a job was taken over")
}

/** After an error a job waits no shorter than its polls so far have made it wait. */
function errorBackoffMs(
  attempts: number,
  _type?: string,
  _error?: Error,
  job?: { data: unknown },
): number {
  const polls = readPollPayload(job?.data)?.polls ?? 0
  return backoffMs(Math.max(attempts, polls), Math.random)
}
