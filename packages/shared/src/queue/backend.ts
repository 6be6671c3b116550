import { createPostgresBackend, Queue, Worker } from "bullmq"
import type { Processor, WorkerOptions } from "bullmq"
import { Redis, type RedisOptions } from "ioredis"
import { ACCRUAL_QUEUE, POLL_OPTIONS, type AccrualQueue, type PollPayload } from "./poll-job.ts"

/** Without this a silent server (socket open, no answer) would hold a command for ever. */
const PRODUCER_COMMAND_TIMEOUT_MS = 5_000
/** A worker's blocking read waits up to 10 s by itself. */
const WORKER_COMMAND_TIMEOUT_MS = 30_000
const CONNECT_TIMEOUT_MS = 5_000
const RECONNECT_DELAY_MAX_MS = 1_000
const POSTGRES_CONNECTIONS_MAX = 10

/**
 * A worker without a limiter does not look at the queue's pause (`queue.rateLimit`) at all. This
 * one is never reached by itself.
 */
const UNREACHED_LIMITER = { max: 1_000_000_000, duration: 1_000 }

type OwnOptions = Pick<
  RedisOptions,
  "enableOfflineQueue" | "commandTimeout" | "maxRetriesPerRequest"
>

export type AccrualWorker = Worker<PollPayload, void>

/**
 * Opens the accrual queue for adding jobs, on the backend that the URL names: `redis://…` is Redis
 * through ioredis, `postgresql://…` BullMQ's PostgreSQL backend. Nothing outside this module knows
 * which it is. A command on a Redis that went away fails instead of waiting for its return; before
 * the first connection it waits.
 */
export function openAccrualQueue(url: string): AccrualQueue {
  const options = { defaultJobOptions: POLL_OPTIONS }
  if (!isRedis(url)) {
    const connection = postgresConnection(url)
    const queue = new Queue(ACCRUAL_QUEUE, { ...options, connection }, createPostgresBackend)
    return queue as unknown as AccrualQueue
  }
  const connection = redisConnection(url, {
    enableOfflineQueue: false,
    commandTimeout: PRODUCER_COMMAND_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
  })
  const queue: AccrualQueue = new Queue(ACCRUAL_QUEUE, { ...options, connection })
  return closingConnection(queue, connection)
}

/** Opens a worker on the backend that the URL names; see `openAccrualQueue`. */
export function openAccrualWorker(
  url: string,
  processor: Processor<PollPayload, void>,
  options: Omit<WorkerOptions, "connection">,
): AccrualWorker {
  if (!isRedis(url)) {
    const connection = postgresConnection(url)
    const worker = new Worker(
      ACCRUAL_QUEUE,
      processor as Processor,
      { limiter: UNREACHED_LIMITER, ...options, connection },
      createPostgresBackend,
    )
    return worker as unknown as AccrualWorker
  }
  const connection = redisConnection(url, {
    commandTimeout: WORKER_COMMAND_TIMEOUT_MS,
    // BullMQ requires it: a worker outlives any number of reconnections.
    maxRetriesPerRequest: null,
  })
  const worker: AccrualWorker = new Worker(ACCRUAL_QUEUE, processor, {
    limiter: UNREACHED_LIMITER,
    ...options,
    connection,
  })
  return closingConnection(worker, connection)
}

/**
 * Keeps every worker from starting jobs for `ms` from now, whatever it was before. A job that runs
 * goes on.
 */
export async function pauseQueue(queue: AccrualQueue, ms: number): Promise<void> {
  await queue.rateLimit(Math.ceil(ms))
}

/** For how many more milliseconds no worker starts a job; 0 when there is no pause. */
export async function queuePauseMs(queue: AccrualQueue): Promise<number> {
  return Math.max(0, await queue.getRateLimitTtl(UNREACHED_LIMITER.max))
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
