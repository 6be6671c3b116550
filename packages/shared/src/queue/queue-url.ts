import { Redis } from "ioredis"
import { whatIsWrongInDatabaseUrl } from "../db/database-url.ts"
import { textSetting } from "../runtime/env.ts"
import { setting } from "../runtime/setting.ts"
import { isHost, isPort, splitUrl, whatIsWrongInUrl } from "../runtime/url-text.ts"

const SCHEME = /^rediss?:\/\//
/** ioredis takes any parameter for an option of its own, also one that would undo ours. */
const PARAMETERS = ["family"]
const FAMILIES = ["4", "6"]

/** The queue's backend; without it the queue lives in the database. */
export const queueUrl = setting(
  textSetting(
    {
      description:
        "a connection string redis://user:password@host:port/number, rediss://… or postgresql://…",
    },
    (text) => (isRedisUrl(text) ? whatIsWrongInRedisUrl(text) : whatIsWrongInDatabaseUrl(text)),
  ),
  { purpose: "the queue; the same for all processes", fallback: "the database", secret: true },
)

/** Whether the queue is in Redis; otherwise it is in a PostgreSQL. */
export function isRedisUrl(text: string): boolean {
  return SCHEME.test(text)
}

/** What keeps ioredis from connecting by it, in a few words without any of it. */
function whatIsWrongInRedisUrl(text: string): string | undefined {
  return whatIsWrongInUrl(text, SCHEME) ?? whatIoredisRefuses(text)
}

function whatIoredisRefuses(text: string): string | undefined {
  let options: Redis["options"]
  try {
    options = new Redis(text, { lazyConnect: true }).options
  } catch {
    return "the Redis client cannot read it"
  }
  const { hosts, path, query } = splitUrl(text)
  const parameters = new Map(new URLSearchParams(query))
  if (hosts === "") return "it names no host"
  if (!isHost(options.host ?? "")) return "its host is not a name or an address"
  if (!isPort(String(options.port))) return "its port is not a number from 1 to 65535"
  if (!/^\/?([0-9]{1,9})?$/.test(path)) return "what follows the host is not a database's number"
  if ([...parameters.keys()].some((name) => !PARAMETERS.includes(name))) {
    return "it has a parameter other than family"
  }
  const family = parameters.get("family")
  return family === undefined || FAMILIES.includes(family) ? undefined : "its family is not 4 or 6"
}
