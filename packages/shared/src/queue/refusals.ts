import { Redis } from "ioredis"
import { ConfigError } from "../runtime/env.ts"
import { withTimeout } from "../runtime/with-timeout.ts"
import { tlsRefusal } from "../runtime/tls-refusal.ts"
import { findWrongAnnouncement, NO_CLUSTER } from "./announced.ts"
import { writeReadyKey } from "./ready-key.ts"
import type { RedisTarget } from "./redis-url.ts"
import { isBrokenOff, readRefusal } from "./redis-refusal.ts"
import { type ClusterOptions, isClusterPlace } from "./slot-owner.ts"

const FIRST_ANSWER_TIMEOUT_MS = 5_000
/** The shortest for which Redis waits for a job, in seconds. */
const SHORTEST_WAIT_S = 0.001

/** How a server shows that it is in a cluster. */
const CLUSTER = /^(MOVED|CROSSSLOT|cluster_enabled:1)\b/m

/** What keeps a process from its queue until somebody changes something, by what Redis says. */
const REFUSALS: [RegExp, string][] = [
  [/^WRONGPASS/, "Redis refuses its user name or its password"],
  [/^NOAUTH/, "Redis asks for a password, and it has none"],
  [
    /^NOPERM/,
    "its user lacks rights: allow it +@all and the keys of the queue in the ACL, ~bull:* or those with its QUEUE_PREFIX; in a cluster ~{bull}:*",
  ],
  [/^-?DENIED/, "Redis is in protected mode: it lets in nobody from another host"],
  [/^ERR DB index is out of range/, "Redis has no database of that number"],
  [
    CLUSTER,
    "it is a cluster, whose connection string begins with redis+cluster:// or rediss+cluster://",
  ],
  [NO_CLUSTER, "it is no cluster: its connection string begins with redis:// or rediss://"],
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
  target: RedisTarget,
  { takesJobs }: { takesJobs: boolean },
): Promise<void> {
  const errors: unknown[] = []
  const whither: RedisTarget["options"] = { ...target.options, clusterIsAskedOnce: true }
  const redis = new Redis({
    ...whither,
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
      askForRights(redis, target, takesJobs),
      FIRST_ANSWER_TIMEOUT_MS,
      "Redis does not answer.",
    )
  } catch (error) {
    note(error)
  } finally {
    redis.disconnect()
  }
  if (errors.some(isBrokenOff)) note(new Error(await readRefusal(redis)))
  const inCluster = isClusterPlace(target.options)
  for (const error of errors) {
    // In a cluster that is no refusal: the queue has just gone elsewhere.
    if (inCluster && CLUSTER.test(messageOf(error))) continue
    const reason = refusalOf(error)
    if (reason !== undefined) throw unusable(reason, error)
  }
  if (isClusterPlace(target.options)) {
    await refuseWrongAnnouncement(target.options, { isReached: errors.length === 0 })
  }
}

/** By what BullMQ asks first, by what the queue is, and by what is done with each job. */
async function askForRights(
  redis: Redis,
  { options, prefix }: RedisTarget,
  takesJobs: boolean,
): Promise<void> {
  await redis.connect()
  const info = await redis.info("cluster")
  if (!isClusterPlace(options) && CLUSTER.test(info)) throw new Error(info.trim())
  await writeReadyKey(redis, prefix)
  await redis.eval("return 1", 0)
  // Nobody ever writes the key.
  if (takesJobs) await redis.bzpopmin(`${prefix}:empty`, SHORTEST_WAIT_S)
}

function refusalOf(error: unknown): string | undefined {
  if (error instanceof AggregateError) return refusalOfAsked(error)
  return REFUSALS.find(([said]) => said.test(messageOf(error)))?.[1] ?? tlsRefusal(error)
}

function messageOf(error: unknown): string {
  const { message = "" } = (error ?? {}) as { message?: string }
  return message
}

/** Of Sentinels and a cluster's nodes one that refuses is enough, where no other says where the primary is. */
function refusalOfAsked({ errors, message }: AggregateError): string | undefined {
  const reason = errors.map(refusalOf).find((found) => found !== undefined)
  return reason?.replace("Redis", message.startsWith("no Sentinel") ? "a Sentinel" : "a node")
}

/** While the queue's node is reached, a node that is not is no reason to end; another server in its place is. */
async function refuseWrongAnnouncement(
  options: ClusterOptions,
  { isReached }: { isReached: boolean },
): Promise<void> {
  const wrong = await findWrongAnnouncement(options)
  if (wrong === undefined || (isReached && !wrong.isOfAnother)) return
  const address = `${wrong.host}:${wrong.port}`
  const reason = `a node of the cluster says that it is at ${address}, and is not found there from here: see its cluster-announce-ip and cluster-announce-hostname`
  throw unusable(reason, undefined)
}

function unusable(reason: string, cause: unknown): ConfigError {
  const sentence = "QUEUE_URL must be a connection string of a Redis that lets this process work"
  return new ConfigError(`${sentence} (${reason})`, { cause })
}
