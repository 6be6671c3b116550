import { readFileSync } from "node:fs"
import type { ConnectionOptions } from "node:tls"
import type { RedisOptions } from "ioredis"
import { whatIsWrongInPemFile } from "../runtime/pem-file.ts"
import {
  isHost,
  isPort,
  readAddress,
  SEVERAL_HOSTS,
  splitUrl,
  userOf,
  whatIsWrongInUrl,
} from "../runtime/url-text.ts"
import { ClusterConnector } from "./cluster-connector.ts"
import { WatchingSentinelConnector } from "./sentinel-connector.ts"
import type { Address, ClusterPlace } from "./slot-owner.ts"

/** Valkey speaks the same. */
const SCHEME = /^(?:redis|valkey)(s?)(?:\+(sentinel|cluster))?:\/\//
const REDIS_PORT = "6379"
const SENTINEL_PORT = "26379"
/** A database's number, or none. */
const PATH = /^(?:\/(?<database>[0-9]{1,9})?)?$/
/** The name by which the Sentinels know the primary, and perhaps a database's number. */
const SENTINEL_PATH = /^\/(?<primary>[^/]+)(?:\/(?<database>[0-9]{1,9})?)?$/
/** A cluster has one database, which has no number. */
const CLUSTER_PATH = /^\/?$/
const FAMILIES = ["4", "6"]
const PARAMETERS = ["family", "ca", "prefix"]
const SENTINEL_PARAMETERS = [...PARAMETERS, "sentinel_username", "sentinel_password"]
const SENTINEL_COMMAND_TIMEOUT_MS = 2_000
/** Between two rounds in which no Sentinel could say where the primary is. */
const SENTINEL_RETRY_DELAY_MS = 500
/** BullMQ's own. */
export const DEFAULT_PREFIX = "bull"
/** What is said of what follows the hosts. */
const WRONG_PLACES = {
  nothing: "what follows the host is not a database's number",
  sentinel:
    "after the Sentinels comes the name by which they know the primary, and perhaps a database's number: /mymaster/0",
  cluster: "after the hosts of a cluster comes no number: it has one database",
}
const PREFIX = /^[A-Za-z0-9_.-]{1,64}$/

/** How the answers look is ours to say: all code expects one form of them. */
type ConnectingOptions = Omit<RedisOptions, "replyMapping"> & Partial<ClusterPlace>

/** How a queue in Redis is reached. */
export interface RedisTarget {
  /** Where ioredis connects, and as whom. */
  options: ConnectingOptions
  /**
   * What the names of all keys begin with, and a colon after it. On a cluster it is in braces: then all are in
   * one hash slot, and so on one node, as BullMQ's scripts need them.
   */
  prefix: string
}

/** Whether it is a connection string of a Redis. */
export function isRedisUrl(text: string): boolean {
  return SCHEME.test(text)
}

/**
 * What keeps anybody from connecting by it, in a few words without any of it; undefined when nothing
 * does that can be known without connecting. Reads the file that it names.
 */
export function whatIsWrongInRedisUrl(text: string): string | undefined {
  const { hasTls, through, hosts, place, query } = partsOf(text)
  const wrong = whatIsWrongInUrl(text, SCHEME, { mayNameSeveralHosts: through !== undefined })
  if (wrong === SEVERAL_HOSTS) {
    return "it names several hosts: those of a cluster come after redis+cluster://, and Sentinels after redis+sentinel://"
  }
  if (wrong !== undefined) return wrong
  if (through !== undefined && userOf(text).includes("@"))
    return "it has an @ that is to be written as %40"
  if (hosts.some(({ host }) => host === "")) return "it names no host"
  if (!hosts.every(({ host }) => isHost(host))) return "its host is not a name or an address"
  if (!hosts.every(({ port }) => isPort(port))) return "its port is not a number from 1 to 65535"
  if (place === undefined) return WRONG_PLACES[through ?? "nothing"]
  const parameters = new Map(query)
  if (parameters.size < query.size) return "it has a parameter twice"
  const known = through === "sentinel" ? SENTINEL_PARAMETERS : PARAMETERS
  if (![...parameters.keys()].every((name) => known.includes(name))) {
    return `it has a parameter other than ${known.join(", ")}`
  }
  if (parameters.has("sentinel_username") && !parameters.has("sentinel_password")) {
    return "it has a user name for the Sentinels, and no password"
  }
  const family = parameters.get("family") ?? "4"
  if (!FAMILIES.includes(family)) return "its family is not 4 or 6"
  const wrongPrefix = whatIsWrongInPrefix(parameters.get("prefix") ?? DEFAULT_PREFIX)
  if (wrongPrefix !== undefined) return `in its prefix ${wrongPrefix}`
  const ca = parameters.get("ca")
  if (ca === undefined) return undefined
  if (!hasTls) return "it has a ca and no TLS, which begins with rediss"
  const wrongFile = whatIsWrongInPemFile(ca, "certificate")
  return wrongFile === undefined ? undefined : `the file of its ca ${wrongFile}`
}

/** What keeps it from being a prefix, in a few words without it. */
export function whatIsWrongInPrefix(prefix: string): string | undefined {
  return PREFIX.test(prefix)
    ? undefined
    : "is something else than letters, digits, _, . and -, at most 64"
}

/** Reads a connection string in which nothing is wrong. */
export function redisTarget(url: string): RedisTarget {
  const { hasTls, through, hosts, place, query } = partsOf(url)
  const [username = "", password = ""] = userOf(url).split(/:(.*)/s).map(decodeURIComponent)
  const ca = query.get("ca")
  const tls = hasTls ? { tls: ca === null ? {} : { ca: readFileSync(ca) } } : {}
  const family = query.get("family")
  const addresses = hosts.map(({ host, port }) => ({ host, port: Number(port) }))
  const written = query.get("prefix") ?? DEFAULT_PREFIX
  const prefix = through === "cluster" ? `{${written}}` : written
  const whither = {
    nothing: () => addresses[0],
    sentinel: () =>
      sentinelOptions(addresses, decodeURIComponent(place?.["primary"] ?? ""), query, tls.tls),
    cluster: () => clusterOptions(addresses, prefix),
  }
  const options: ConnectingOptions = {
    ...whither[through ?? "nothing"](),
    ...tls,
    ...(username !== "" && { username }),
    ...(password !== "" && { password }),
    ...(family !== null && { family: Number(family) }),
    db: Number(place?.["database"] ?? 0),
  }
  return { options, prefix }
}

/** The same connection string with a prefix, which it must not have. */
export function withPrefix(url: string, prefix: string): string {
  return `${url}${url.includes("?") ? "&" : "?"}prefix=${prefix}`
}

/** Whether a connection string says the prefix itself. */
export function hasPrefix(url: string): boolean {
  return partsOf(url).query.has("prefix")
}

/** Sentinels are asked over TLS where their primary is. */
function sentinelOptions(
  sentinels: { host: string; port: number }[],
  name: string,
  query: URLSearchParams,
  tls: ConnectionOptions | undefined,
): ConnectingOptions {
  const [username, password] = [query.get("sentinel_username"), query.get("sentinel_password")]
  return {
    Connector: WatchingSentinelConnector,
    sentinels,
    name,
    ...(username !== null && { sentinelUsername: username }),
    ...(password !== null && { sentinelPassword: password }),
    ...(tls !== undefined && { sentinelTLS: tls, enableTLSForSentinelMode: true }),
    sentinelCommandTimeout: SENTINEL_COMMAND_TIMEOUT_MS,
    sentinelRetryStrategy: () => SENTINEL_RETRY_DELAY_MS,
  }
}

function clusterOptions(clusterNodes: Address[], clusterKey: string): ConnectingOptions {
  return { Connector: ClusterConnector, clusterNodes, clusterKey }
}

interface Parts {
  hasTls: boolean
  /** Who says where the server is that is to be worked with; undefined when the string itself does. */
  through: "sentinel" | "cluster" | undefined
  hosts: { host: string; port: string }[]
  /** Undefined when what follows the hosts is none. */
  place: Record<string, string | undefined> | undefined
  query: URLSearchParams
}

function partsOf(text: string): Parts {
  const [, secure, way] = SCHEME.exec(text) ?? []
  const { hosts, path, query } = splitUrl(text)
  const through = way as Parts["through"]
  const defaultPort = through === "sentinel" ? SENTINEL_PORT : REDIS_PORT
  return {
    hasTls: secure === "s",
    through,
    hosts: hosts.split(",").map((written) => readAddress(written, defaultPort)),
    place: placeIn(path, through),
    // A plus is one, as in a user's password, and no space.
    query: new URLSearchParams(query.replaceAll("+", "%2B")),
  }
}

function placeIn(path: string, through: Parts["through"]): Parts["place"] {
  if (through === "cluster") return CLUSTER_PATH.test(path) ? {} : undefined
  return (through === "sentinel" ? SENTINEL_PATH : PATH).exec(path)?.groups
}
