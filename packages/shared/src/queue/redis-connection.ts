import { setTimeout as sleep } from "node:timers/promises"
import { Redis, type RedisOptions } from "ioredis"
import { Counter } from "prom-client"
import type { Logger } from "../runtime/logger.ts"
import type { RedisTarget } from "./redis-url.ts"

const reconnects = new Counter({
  name: "gofermart_queue_reconnects_total",
  help: "Connections to Redis that were given up, by reason: READONLY and UNBLOCKED are the answers of a server that is no primary any more; MOVED, ASK, TRYAGAIN and CLUSTERDOWN of a cluster's node that does not have the queue, or not yet; silent; an error's code; or closed.",
  labelNames: ["reason"],
})
// From the start, so that an increase can be seen.
reconnects.inc({ reason: "READONLY" }, 0)

/** Without this a silent server (socket open, no answer) would hold a command for ever. */
const PRODUCER_COMMAND_TIMEOUT_MS = 5_000
/** A worker's blocking read waits up to 10 s by itself. */
const WORKER_COMMAND_TIMEOUT_MS = 30_000
/**
 * On a socket that is open, while something is asked and nothing comes; then it is given up. The
 * address may lead to another server by now. Longer than a command, whose caller learns of it first.
 */
const PRODUCER_SILENCE_MAX_MS = 6_000
/** Longer than a worker's blocking read. */
const WORKER_SILENCE_MAX_MS = 15_000
const CONNECT_TIMEOUT_MS = 5_000
const RECONNECT_DELAY_STEP_MS = 100
const RECONNECT_DELAY_MAX_MS = 1_000
/** Between two times that a connection leaves a server which is no primary, or does not have the queue. */
const ROLE_RECONNECT_INTERVAL_MS = 1_000
/** Between two tries to learn the server's version. */
const VERSION_RETRY_DELAY_MS = 200
/** In which a connection logs once that it is given up, unless it leaves what was a primary. */
const RECONNECT_LOG_INTERVAL_MS = 30_000

const CONNECTING = {
  connectTimeout: CONNECT_TIMEOUT_MS,
  // A server that loads its data says how long that takes, and ioredis would not look again before.
  maxLoadingRetryTime: RECONNECT_DELAY_MAX_MS,
} satisfies RedisOptions

const POLICY_LINE = /^maxmemory_policy:.*$/m

const NO_PRIMARY = ["READONLY", "UNBLOCKED"]
const NOT_THERE = ["MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN"]
const LEFT_FOR = new RegExp(`(?:^|-)(${[...NO_PRIMARY, ...NOT_THERE].join("|")}) `)

/** What becomes of a command that a server refused which does not have the queue; ioredis's numbers. */
const COMMAND = { fails: 1, isSentAgain: 2 } as const

/**
 * Opens a connection for adding jobs. Its commands fail at once while Redis is away, and after
 * `PRODUCER_COMMAND_TIMEOUT_MS` when it is silent.
 */
export function openProducerConnection(target: RedisTarget, logger: Logger): Redis {
  const redis = new Redis({
    ...target.options,
    enableOfflineQueue: false,
    commandTimeout: PRODUCER_COMMAND_TIMEOUT_MS,
    socketTimeout: PRODUCER_SILENCE_MAX_MS,
    maxRetriesPerRequest: 0,
    ...CONNECTING,
  })
  return keepConnected(redis, COMMAND.fails, logger)
}

/** Opens a connection for a worker. Its commands wait while Redis is away. */
export function openWorkerConnection(target: RedisTarget, logger: Logger): Redis {
  const redis = new Redis({
    ...target.options,
    commandTimeout: WORKER_COMMAND_TIMEOUT_MS,
    socketTimeout: WORKER_SILENCE_MAX_MS,
    // BullMQ requires it: a worker outlives any number of reconnections.
    maxRetriesPerRequest: null,
    ...CONNECTING,
  })
  return keepConnected(redis, COMMAND.isSentAgain, logger)
}

/**
 * Has a connection, and each that BullMQ duplicates from it, find its way back to the primary. It
 * leaves a server that answers it is none, at most once a second: the address may lead to the new
 * primary by now, and a name is resolved anew. A cluster's node that answers the queue is not there, or not
 * yet, is left alike; none of these has carried the command out. Any other refusal, such as LOADING, OOM or NOREPLICAS,
 * is the command's: a new connection would get the same one.
 */
function keepConnected(redis: Redis, onNoPrimary: 1 | 2, logger: Logger): Redis {
  const { options } = redis
  /** Why the present connection is given up: what the server answered, or the code of an error. */
  let refusal: { reason: string; message: string } | undefined
  let failure: string | undefined
  let leftAt = -Infinity
  let loggedAt = -Infinity
  let isReplica = false

  options.reconnectOnError = ({ message }) => {
    const reason = reasonToLeave(message)
    if (reason === undefined) return false
    // A producer stays meanwhile, and its caller gets the reason.
    if (onNoPrimary === COMMAND.fails && performance.now() - leftAt < ROLE_RECONNECT_INTERVAL_MS) {
      return false
    }
    // Each command under way comes here, and ioredis then listens to the socket once more.
    redis.stream.setMaxListeners(0)
    refusal ??= { reason, message }
    return onNoPrimary
  }
  options.retryStrategy = (tries) => {
    const now = performance.now()
    const left = refusal
    reconnects.inc({ reason: left?.reason ?? failure ?? "closed" })
    // An error is logged as the queue's.
    const isLoggedElsewhere = left === undefined && failure !== undefined
    const leavesPrimary = left !== undefined && NO_PRIMARY.includes(left.reason) && !isReplica
    const isNews = leavesPrimary || now - loggedAt >= RECONNECT_LOG_INTERVAL_MS
    if (isNews && !isLoggedElsewhere) {
      logger.warn({ reason: left?.message ?? "Redis closed it" }, "connecting to Redis anew")
      loggedAt = now
    }
    refusal = undefined
    failure = undefined
    if (left === undefined) return Math.min(tries * RECONNECT_DELAY_STEP_MS, RECONNECT_DELAY_MAX_MS)
    const delayMs = Math.max(0, leftAt + ROLE_RECONNECT_INTERVAL_MS - now)
    leftAt = now + delayMs
    return delayMs
  }
  // BullMQ listens as well, but only while it uses the connection.
  redis.on("error", (error: Error & { code?: string }) => {
    failure = error.code ?? (isSilence(error) ? "silent" : "error")
  })
  // What its caller has given up meanwhile would take a job for nobody. A pipeline is sent whole.
  redis.sendCommand = (command, stream) =>
    command.isSettled && stream === undefined
      ? command.promise
      : Redis.prototype.sendCommand.call(redis, command, stream)
  // Between two sockets ioredis would never say that it has ended, and BullMQ's close waits for that.
  redis.disconnect = (reconnect = false) => {
    if (!reconnect && redis.status === "reconnecting") redis.status = "wait"
    Redis.prototype.disconnect.call(redis, reconnect)
  }
  redis.duplicate = (override?: Partial<RedisOptions>) =>
    keepConnected(Redis.prototype.duplicate.call(redis, override), onNoPrimary, logger)
  watchInfo(redis, (text) => {
    isReplica = /^role:slave\b/m.test(text)
  })
  return redis
}

/**
 * ioredis asks for INFO each time it has connected, to wait while the server is loading: `told` gets
 * what it is told. BullMQ asks once, for the server's version when it opens the connection, and never
 * works on it when that fails: so for BullMQ it is asked again until it is told.
 */
function watchInfo(redis: Redis, told: (text: string) => void): void {
  const info = redis.info.bind(redis)
  const askAgain = async () => {
    for (;;) {
      try {
        return await info()
      } catch (error) {
        if (redis.status === "end") throw error
        // What the server refuses is BullMQ's to report; a connection that broke is made anew.
        if ((error as Error).name === "ReplyError") redis.emit("error", error)
        await sleep(VERSION_RETRY_DELAY_MS)
      }
    }
  }
  redis.info = ((...args: Parameters<typeof info>) => {
    // ioredis gives a callback.
    // BullMQ would print what `redis-policy.ts` says once, for each of its connections.
    if (args.length === 0) return askAgain().then((text) => text.replace(POLICY_LINE, ""))
    const asked = info(...args)
    asked.then(told, () => {})
    return asked
  }) as typeof info
}

/** ioredis's `socketTimeout` gives no code. */
function isSilence({ message }: Error): boolean {
  return message.startsWith("Socket timeout.")
}

/**
 * Whether an error is the answer of a server that is no primary any more, or of a cluster's node that does not
 * have the queue, although the connection to it stayed open; and which. Redis 6 puts a script's READONLY
 * behind other words. A blocking read that waits while the role changes gets UNBLOCKED.
 */
export function reasonToLeave(message: string): string | undefined {
  return LEFT_FOR.exec(message)?.[1]
}
