import { Redis } from "ioredis"
import { ConfigError } from "../runtime/env.ts"
import { withTimeout } from "../runtime/with-timeout.ts"
import { tlsRefusal } from "../runtime/tls-refusal.ts"
import { writeReadyKey } from "./ready-key.ts"
import type { RedisTarget } from "./redis-url.ts"
import { isBrokenOff, readRefusal } from "./redis-refusal.ts"

const FIRST_ANSWER_TIMEOUT_MS = 5_000
/** The shortest for which Redis waits for a job, in seconds. */
const SHORTEST_WAIT_S = 0.001

/** What keeps a process from its queue until somebody changes something, by what Redis says. */
const REFUSALS: [RegExp, string][] = [
  [/^WRONGPASS/, "Redis refuses its user name or its password"],
  [/^NOAUTH/, "Redis asks for a password, and it has none"],
  [
    /^NOPERM/,
    "its user lacks rights: allow it +@all and the keys of the queue in the ACL, ~bull:* or those with its QUEUE_PREFIX",
  ],
  [/^-?DENIED/, "Redis is in protected mode: it lets in nobody from another host"],
  [/^ERR DB index is out of range/, "Redis has no database of that number"],
  [/^ERR No such master/, "the Sentinels know no primary of that name"],
  [/Unknown RESP type|Protocol error/, "what answers there is no Redis"],
]

/**
 * Asks a Redis once whether it lets a process work that is about to start. Throws a `ConfigError`
 * when it answers that it does not: no wait mends that. One that is away, loading or silent is no
 * refusal; it can be waited for. Only who takes jobs is asked for the right to wait for one: without it
 * a worker would stand still, and say nothing.
 */
export async function refuseHopelessRedis(
  { options, prefix }: RedisTarget,
  { takesJobs }: { takesJobs: boolean },
): Promise<void> {
  const errors: unknown[] = []
  const redis = new Redis({
    ...options,
    sentinelRetryStrategy: () => null,
    lazyConnect: true,
    enableReadyCheck: false,
    connectTimeout: FIRST_ANSWER_TIMEOUT_MS,
    commandTimeout: FIRST_ANSWER_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  })
  const note = (error: unknown) => void errors.push(error)
  redis.on("error", note)
  try {
    // A server that holds the socket open and says nothing would hold the connecting for ever.
    await withTimeout(
      askForRights(redis, prefix, takesJobs),
      FIRST_ANSWER_TIMEOUT_MS,
      "Redis does not answer.",
    )
  } catch (error) {
    note(error)
  } finally {
    redis.disconnect()
  }
  if (errors.some(isBrokenOff)) note(new Error(await readRefusal(redis)))
  for (const error of errors) {
    const reason = refusalOf(error)
    if (reason !== undefined) throw unusable(reason, error)
  }
}

/** By what BullMQ asks first, by what the queue is, and by what is done with each job. */
async function askForRights(redis: Redis, prefix: string, takesJobs: boolean): Promise<void> {
  await redis.connect()
  await redis.info("server")
  await writeReadyKey(redis, prefix)
  await redis.eval("return 1", 0)
  // Nobody ever writes the key.
  if (takesJobs) await redis.bzpopmin(`${prefix}:empty`, SHORTEST_WAIT_S)
}

function refusalOf(error: unknown): string | undefined {
  if (error instanceof AggregateError) return refusalOfSentinels(error)
  const { message = "" } = (error ?? {}) as { message?: string }
  return REFUSALS.find(([said]) => said.test(message))?.[1] ?? tlsRefusal(error)
}

/** One that refuses is enough, where no other says where the primary is. */
function refusalOfSentinels({ errors }: AggregateError): string | undefined {
  const reason = errors.map(refusalOf).find((found) => found !== undefined)
  return reason?.replace("Redis", "a Sentinel")
}

function unusable(reason: string, cause: unknown): ConfigError {
  const sentence = "QUEUE_URL must be a connection string of a Redis that lets this process work"
  return new ConfigError(`${sentence} (${reason})`, { cause })
}
