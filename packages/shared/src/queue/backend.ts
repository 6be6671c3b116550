import { setTimeout as sleep } from "node:timers/promises"
import { createPostgresBackend, Queue, Worker } from "bullmq"
import type { Processor, WorkerOptions } from "bullmq"
import { Redis, type RedisOptions } from "ioredis"
import type { Logger } from "../runtime/logger.ts"
import { queueTelemetry } from "../runtime/tracing.ts"
import { ACCRUAL_QUEUE, POLL_OPTIONS, type AccrualQueue, type PollPayload } from "./poll-job.ts"

/** Without this a silent server (socket open, no answer) would hold a command for ever. */
const PRODUCER_COMMAND_TIMEOUT_MS = 5_000
/** A worker's blocking read waits up to 10 s by itself. */
const WORKER_COMMAND_TIMEOUT_MS = 30_000
const CONNECT_TIMEOUT_MS = 5_000
const RECONNECT_DELAY_MAX_MS = 1_000
const POSTGRES_CONNECTIONS_MAX = 10
/** On a connection that is open and silent, requeue would otherwise wait for ever. */
const POSTGRES_QUERY_TIMEOUT_MS = 30_000
const POSTGRES_KEEP_ALIVE_MS = 10_000
const DATABASE_RETRY_DELAY_MS = 1_000
const SAME_ERROR_INTERVAL_MS = 30_000

/** Of difference between two pauses that does not count. */
const PAUSE_TOLERANCE_MS = 50

/** Jobs in a time that no fleet starts: only the pause itself is meant to hold anybody. */
const UNREACHED_LIMIT = { max: 1_000_000_000, durationMs: 1_000 } satisfies QueueLimit

type OwnOptions = Pick<
  RedisOptions,
  "enableOfflineQueue" | "commandTimeout" | "maxRetriesPerRequest"
>

export type AccrualWorker = Worker<PollPayload, void>

/**
 * Opens the accrual queue for adding jobs, on the backend that the URL names: `redis://…` is Redis
 * through ioredis, `postgresql://…` BullMQ's PostgreSQL backend. Nothing outside this module knows
 * which it is.
 *
 * While PostgreSQL is away it waits for it, saying so. Redis it need not wait for: its commands
 * wait for the first connection, and fail while a later one is away.
 */
export async function openAccrualQueue(url: string, logger: Logger): Promise<AccrualQueue> {
  const options = { defaultJobOptions: POLL_OPTIONS }
  if (!isRedis(url)) {
    const connection = postgresConnection(url)
    const queue = await untilReady(
      () => new Queue(ACCRUAL_QUEUE, { ...options, connection }, createPostgresBackend),
      logger,
    )
    return queue as unknown as AccrualQueue
  }
  const connection = redisConnection(url, {
    enableOfflineQueue: false,
    commandTimeout: PRODUCER_COMMAND_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
  })
  const queue: AccrualQueue = new Queue(ACCRUAL_QUEUE, { ...options, connection })
  logErrors(queue, logger)
  return closingConnection(queue, connection)
}

/** Opens a worker on the backend that the URL names; see `openAccrualQueue`. */
export async function openAccrualWorker(
  url: string,
  logger: Logger,
  processor: Processor<PollPayload, void>,
  settings: Omit<WorkerOptions, "connection">,
): Promise<AccrualWorker> {
  const telemetry = queueTelemetry()
  const options = telemetry === undefined ? settings : { ...settings, telemetry }
  if (!isRedis(url)) {
    const connection = postgresConnection(url)
    const worker = await untilReady(
      () =>
        new Worker(
          ACCRUAL_QUEUE,
          processor as Processor,
          { ...options, connection, autorun: false },
          createPostgresBackend,
        ),
      logger,
    )
    void worker.run()
    return worker as unknown as AccrualWorker
  }
  const connection = redisConnection(url, {
    commandTimeout: WORKER_COMMAND_TIMEOUT_MS,
    // BullMQ requires it: a worker outlives any number of reconnections.
    maxRetriesPerRequest: null,
  })
  const worker: AccrualWorker = new Worker(ACCRUAL_QUEUE, processor, {
    ...options,
    connection,
  })
  logErrors(worker, logger)
  return closingConnection(worker, connection)
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
  }
}

function isRedis(url: string): boolean {
  return /^rediss?:/.test(url)
}

function postgresConnection(url: string) {
  return {
    connectionString: url,
    migrate: true,
    max: POSTGRES_CONNECTIONS_MAX,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: POSTGRES_QUERY_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: POSTGRES_KEEP_ALIVE_MS,
  }
}

function redisConnection(url: string, options: OwnOptions): Redis {
  return new Redis(url, {
    ...options,
    connectTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy: (tries: number) => Math.min(tries * 100, RECONNECT_DELAY_MAX_MS),
  })
}

/**
 * BullMQ's PostgreSQL backend never recovers from a first connection that failed, and a worker on
 * one that did turns in place for ever. So it is made anew until it is ready.
 */
async function untilReady<Opened extends Openable>(
  open: () => Opened,
  logger: Logger,
): Promise<Opened> {
  for (;;) {
    const opened = open()
    logErrors(opened, logger)
    try {
      await opened.waitUntilReady()
      return opened
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      logger.warn({ reason }, "waiting for the queue's database")
      await opened.close().catch(() => {})
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

/** A backend that is away reports the same error several times a second. */
function logErrors(source: ErrorSource, logger: Logger): void {
  let lastMessage = ""
  let lastAt = -Infinity
  source.on("error", (error) => {
    const now = performance.now()
    if (error.message === lastMessage && now - lastAt < SAME_ERROR_INTERVAL_MS) return
    lastMessage = error.message
    lastAt = now
    logger.error({ err: error }, "the queue has an error")
  })
}

// BullMQ leaves a connection that it was handed open.
function closingConnection<Opened extends { close(): Promise<void> }>(
  opened: Opened,
  connection: Redis,
): Opened {
  const close = opened.close.bind(opened)
  opened.close = async () => {
    await close()
    connection.disconnect()
  }
  return opened
}
