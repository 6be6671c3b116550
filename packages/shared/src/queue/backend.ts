import { setTimeout as sleep } from "node:timers/promises"
import { createPostgresBackend, Queue, Worker } from "bullmq"
import type { Processor, WorkerOptions } from "bullmq"
import { Redis, type RedisOptions } from "ioredis"
import { Client } from "pg"
import type { Logger } from "../runtime/logger.ts"
import { ACCRUAL_QUEUE, POLL_OPTIONS, type AccrualQueue, type PollPayload } from "./poll-job.ts"

/** Without this a silent server (socket open, no answer) would hold a command for ever. */
const PRODUCER_COMMAND_TIMEOUT_MS = 5_000
/** A worker's blocking read waits up to 10 s by itself. */
const WORKER_COMMAND_TIMEOUT_MS = 30_000
const CONNECT_TIMEOUT_MS = 5_000
const RECONNECT_DELAY_MAX_MS = 1_000
const POSTGRES_CONNECTIONS_MAX = 10
const DATABASE_RETRY_DELAY_MS = 1_000
const SAME_ERROR_INTERVAL_MS = 30_000

/** Jobs in a time that no fleet starts: only the pause itself is meant to hold anybody. */
const UNREACHED_LIMIT = { max: 1_000_000_000, durationMs: 1_000 }

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
    await untilPostgresAnswers(url, logger)
    const connection = postgresConnection(url)
    const queue = new Queue(ACCRUAL_QUEUE, { ...options, connection }, createPostgresBackend)
    logErrors(queue, logger)
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
  options: Omit<WorkerOptions, "connection">,
): Promise<AccrualWorker> {
  if (!isRedis(url)) {
    await untilPostgresAnswers(url, logger)
    const connection = postgresConnection(url)
    const worker = new Worker(
      ACCRUAL_QUEUE,
      processor as Processor,
      { ...options, connection },
      createPostgresBackend,
    )
    logErrors(worker, logger)
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

/**
 * Keeps every worker from starting jobs for `ms` from now, whatever it was before. A job that runs
 * goes on.
 *
 * A worker looks at the pause only while the queue has a global rate limit. It has one during a
 * pause alone, since on PostgreSQL it makes all workers take turns at claiming jobs.
 */
export async function pauseQueue(queue: AccrualQueue, ms: number): Promise<void> {
  await queue.setGlobalRateLimit(UNREACHED_LIMIT.max, UNREACHED_LIMIT.durationMs)
  await queue.rateLimit(Math.ceil(ms))
}

/** For how many more milliseconds no worker starts a job; 0 when there is no pause. */
export async function queuePauseMs(queue: AccrualQueue): Promise<number> {
  const limit = await queue.getGlobalRateLimit()
  if (limit === null) return 0
  return Math.max(0, await queue.getRateLimitTtl(limit.max))
}

/** Takes away what `pauseQueue` left once the pause is over. */
export async function endQueuePause(queue: AccrualQueue): Promise<void> {
  await queue.removeGlobalRateLimit()
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
    keepAlive: true,
  }
}

function redisConnection(url: string, options: OwnOptions): Redis {
  return new Redis(url, {
    ...options,
    connectTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy: (tries: number) => Math.min(tries * 100, RECONNECT_DELAY_MAX_MS),
  })
}

// BullMQ's PostgreSQL backend never recovers from a first connection that failed.
async function untilPostgresAnswers(url: string, logger: Logger): Promise<void> {
  for (;;) {
    const client = new Client({
      connectionString: url,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    })
    try {
      await client.connect()
      await client.end()
      return
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      logger.warn({ reason }, "waiting for the queue's database")
      await sleep(DATABASE_RETRY_DELAY_MS)
    }
  }
}

/** A backend that is away reports the same error several times a second. */
function logErrors(
  source: { on(event: "error", listener: (error: Error) => void): unknown },
  logger: Logger,
): void {
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
