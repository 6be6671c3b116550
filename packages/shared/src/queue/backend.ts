import { setTimeout as sleep } from "node:timers/promises"
import { Queue, Worker } from "bullmq"
import type { PgPool, Processor, WorkerOptions } from "bullmq"
import type { Redis } from "ioredis"
import { refuseHopelessDatabase } from "../db/refusals.ts"
import type { Logger } from "../runtime/logger.ts"
import { reasonOf } from "../runtime/reason-of.ts"
import { queueTelemetry } from "../runtime/tracing.ts"
import { ACCRUAL_QUEUE, POLL_OPTIONS, type AccrualQueue, type PollPayload } from "./poll-job.ts"
import { PollWorker } from "./poll-worker.ts"
import {
  backendInSchema,
  expectQueueSchema,
  openQueuePool,
  QUEUE_SETTING,
  queueSchemaOf,
} from "./postgres-pool.ts"
import { isBrokenOff, readRefusal } from "./redis-refusal.ts"
import { openProducerConnection, openWorkerConnection } from "./redis-connection.ts"
import { warnOfPolicy } from "./redis-policy.ts"
import { isRedisUrl, redisTarget } from "./redis-url.ts"
import { refuseHopelessRedis } from "./refusals.ts"

const DATABASE_RETRY_DELAY_MS = 1_000
const SAME_ERROR_INTERVAL_MS = 30_000

/** Of difference between two pauses that does not count. */
const PAUSE_TOLERANCE_MS = 50

/** Jobs in a time that no fleet starts: only the pause itself is meant to hold anybody. */
const UNREACHED_LIMIT = { max: 1_000_000_000, durationMs: 1_000 } satisfies QueueLimit

export type AccrualWorker = Worker<PollPayload, void>

/**
 * Opens the accrual queue for adding jobs, on the backend that the URL names: Redis through ioredis, or
 * with `postgresql://…` BullMQ's PostgreSQL backend. Nothing outside this module knows
 * which it is.
 *
 * While PostgreSQL is away it waits for it, saying so. Redis it need not wait for: its commands
 * wait for the first connection, and fail while a later one is away. Throws a `ConfigError` when the
 * backend answers that it will not do with these settings.
 */
export async function openAccrualQueue(url: string, logger: Logger): Promise<AccrualQueue> {
  const options = { defaultJobOptions: POLL_OPTIONS }
  if (!isRedisUrl(url)) {
    const queue = await untilReady(
      url,
      { listens: false },
      (connection, backend) => new Queue(ACCRUAL_QUEUE, { ...options, connection }, backend),
      logger,
    )
    return queue as unknown as AccrualQueue
  }
  const target = redisTarget(url)
  await refuseHopelessRedis(target, { takesJobs: false })
  const connection = openProducerConnection(target, logger)
  warnOfPolicy(connection, logger)
  const queue: AccrualQueue = new Queue(ACCRUAL_QUEUE, {
    ...options,
    connection,
    prefix: target.prefix,
  })
  logErrors(queue, logger, connection)
  return closingConnections(queue, () => connection.disconnect())
}

/** Opens a worker on the backend that the URL names, and may throw, as `openAccrualQueue` does. */
export async function openAccrualWorker(
  url: string,
  logger: Logger,
  processor: Processor<PollPayload, void>,
  settings: Omit<WorkerOptions, "connection">,
): Promise<AccrualWorker> {
  const telemetry = queueTelemetry()
  const options = telemetry === undefined ? settings : { ...settings, telemetry }
  if (!isRedisUrl(url)) {
    const worker = await untilReady(
      url,
      { listens: true },
      (connection, backend) =>
        new PollWorker(
          ACCRUAL_QUEUE,
          processor,
          { ...options, connection, autorun: false },
          backend,
        ),
      logger,
    )
    // As BullMQ does where it starts a worker itself; nobody else would catch it, and the process end.
    worker.run().catch((error: unknown) => worker.emit("error", error as Error))
    return worker as unknown as AccrualWorker
  }
  const target = redisTarget(url)
  await refuseHopelessRedis(target, { takesJobs: true })
  const connection = openWorkerConnection(target, logger)
  const worker: AccrualWorker = new PollWorker(ACCRUAL_QUEUE, processor, {
    ...options,
    connection,
    prefix: target.prefix,
  })
  logErrors(worker, logger, connection)
  return closingConnections(worker, () => connection.disconnect())
}

/** Jobs that all workers together may begin in a time. */
export interface QueueLimit {
  max: number
  durationMs: number
}

/**
 * Lets all workers together begin nothing for `pauseMs` from now, and then no more than the limit,
 * where there is one; whatever it was before. A job that runs goes on.
 */
export async function holdQueue(
  queue: AccrualQueue,
  { pauseMs, limit }: { pauseMs: number; limit: QueueLimit | undefined },
): Promise<void> {
  const heldMs = await queuePauseMs(queue)
  // Nothing is shorter than a millisecond.
  if (pauseMs === 0 && heldMs > PAUSE_TOLERANCE_MS) await queue.rateLimit(1)
  // A worker looks at the pause only while the queue has a limit.
  await setLimit(queue, pauseMs === 0 ? limit : (limit ?? UNREACHED_LIMIT))
  if (pauseMs - heldMs > PAUSE_TOLERANCE_MS) await queue.rateLimit(Math.ceil(pauseMs))
}

/** For how many more milliseconds no worker starts a job; 0 when there is no pause. */
export async function queuePauseMs(queue: AccrualQueue): Promise<number> {
  // Only a pause counts for so many jobs: a limit that is spent is none.
  return Math.max(0, await queue.getRateLimitTtl(UNREACHED_LIMIT.max))
}

/** The queue has a limit only where it must: on PostgreSQL it makes the workers take turns. */
async function setLimit(queue: AccrualQueue, limit: QueueLimit | undefined): Promise<void> {
  const present = await queue.getGlobalRateLimit()
  if (limit === undefined) {
    if (present !== null) await queue.removeGlobalRateLimit()
  } else if (present?.max !== limit.max || present.duration !== limit.durationMs) {
    await queue.setGlobalRateLimit(limit.max, limit.durationMs)
    if (present !== null && present.duration > limit.durationMs) {
      await endSpentLimit(queue, present.max, limit.durationMs)
    }
  }
}

/** One request a minute, begun, would hold all workers for a minute, whatever is allowed by now. */
async function endSpentLimit(queue: AccrualQueue, max: number, waitMaxMs: number): Promise<void> {
  // A pause counts as more jobs than any limit has, and stays.
  if ((await queuePauseMs(queue)) > 0) return
  if ((await queue.getRateLimitTtl(max)) > waitMaxMs) await queue.rateLimit(1)
}

/**
 * BullMQ's PostgreSQL backend never recovers from a first connection that failed, and a worker on
 * one that did turns in place for ever. So it is made anew until it is ready.
 */
async function untilReady<Opened extends Openable>(
  url: string,
  use: { listens: boolean },
  open: (connections: PgPool, backend: ReturnType<typeof backendInSchema>) => Opened,
  logger: Logger,
): Promise<Opened> {
  const schema = queueSchemaOf(url)
  for (;;) {
    const connections = openQueuePool(url, use)
    let opened: Opened | undefined
    try {
      await expectQueueSchema(connections, schema)
      // BullMQ has types of its own for what node-postgres is.
      opened = open(connections as unknown as PgPool, backendInSchema(schema))
      logErrors(opened, logger)
      await opened.waitUntilReady()
      return closingConnections(opened, () => connections.end())
    } catch (error) {
      await opened?.close().catch(() => {})
      // Not waited for: a statement that is silent may hold one for long.
      void connections.end().catch(() => {})
      await refuseHopelessDatabase(QUEUE_SETTING, url, error)
      logger.warn({ reason: reasonOf(error) }, "waiting for the queue's database")
      await sleep(DATABASE_RETRY_DELAY_MS)
    }
  }
}

interface Openable extends ErrorSource {
  waitUntilReady(): Promise<unknown>
  close(): Promise<void>
}

interface ErrorSource {
  on(event: "error", listener: (error: Error) => void): unknown
}

/**
 * A backend that is away reports the same error several times a second. `redis`: asked why it has
 * broken a connection off.
 */
function logErrors(source: ErrorSource, logger: Logger, redis?: Redis): void {
  let lastMessage = ""
  let lastAt = -Infinity
  const tell = async (error: Error) => {
    const isRefused = redis !== undefined && isBrokenOff(error)
    const refusal = isRefused ? await readRefusal(redis) : undefined
    logger.error({ err: error, ...(refusal && { refusal }) }, "the queue has an error")
  }
  source.on("error", (error) => {
    const now = performance.now()
    if (error.message === lastMessage && now - lastAt < SAME_ERROR_INTERVAL_MS) return
    lastMessage = error.message
    lastAt = now
    void tell(error)
  })
}

// BullMQ leaves connections that it was handed open.
function closingConnections<Opened extends { close(): Promise<void> }>(
  opened: Opened,
  closeConnections: () => unknown,
): Opened {
  const close = opened.close.bind(opened)
  opened.close = async () => {
    await close()
    await closeConnections()
  }
  return opened
}
