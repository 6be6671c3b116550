import { Type } from "typebox"
import {
  ConfigError,
  databaseUrl,
  duration,
  listenAddress,
  logLevel,
  queueUrl,
  readEnv,
  toMs,
  wholeNumber,
  withContractNames,
} from "@gofermart/shared/runtime/env.ts"
import { readTracing, tracingSettings } from "@gofermart/shared/runtime/tracing-settings.ts"
import {
  operatorsSettings,
  readAddress,
  readOperators,
} from "@gofermart/shared/operators/settings.ts"
import { parseKeys } from "./auth/tokens.ts"

/** What is older than two minutes counts as not looked at by anybody. */
const FLEET_WATCH_INTERVAL_MAX_MS = 30_000

export const Schema = Type.Object({
  RUN_ADDRESS: listenAddress("127.0.0.1:8080"),
  DATABASE_URL: databaseUrl,
  DATABASE_CONNECTIONS_MAX: wholeNumber(1, 1_000, 10),
  QUEUE_URL: Type.Optional(queueUrl),
  AUTH_KEYS: Type.Refine(
    Type.String({
      pattern: "^[\\w-]+:[\\w-]{43,}(,[\\w-]+:[\\w-]{43,})*$",
      description:
        "signing keys as id:key,id:key with different ids and keys of at least 32 bytes in base64url; the first one signs",
    }),
    (given) => parseKeys(given).byId.size === given.split(",").length,
  ),
  TOKEN_LIFETIME: duration("24h"),
  PASSWORD_LENGTH_MIN: wholeNumber(1, 64, 8),
  WITHDRAWAL_ORDERS: Type.Enum(["any", "owned"], {
    default: "any",
    description: "any (a number that nobody uploaded can be paid with points) or owned",
  }),
  TRUSTED_PROXIES: Type.Optional(
    Type.String({ description: "addresses or CIDR ranges of proxies, with commas between them" }),
  ),
  ...operatorsSettings("127.0.0.1:8090"),
  BOARD_READ_ONLY: Type.Enum(["true", "false"], {
    default: "false",
    description: "true or false",
  }),
  THROTTLE_WINDOW: duration("10m"),
  LOGIN_FAILURES_MAX: wholeNumber(1, 1_000_000, 10),
  LOGIN_FAILURES_PER_ADDRESS_MAX: wholeNumber(1, 1_000_000, 100),
  REGISTRATIONS_PER_ADDRESS_MAX: wholeNumber(1, 1_000_000, 600),
  UNFINISHED_ORDERS_MAX: wholeNumber(1, 100_000_000, 10_000),
  FLEET_WATCH_INTERVAL: duration("10s"),
  REQUEUE_LEASE_MIN: duration("30s"),
  SHUTDOWN_GRACE: duration("20s"),
  LOG_LEVEL: logLevel,
  ...tracingSettings,
})

export type Config = ReturnType<typeof readConfig>

/** Reads the API's settings. Throws a `ConfigError` that names every bad variable. */
export function readConfig(env: NodeJS.ProcessEnv) {
  const read = readEnv(Schema, withContractNames(env))
  const fleetWatchIntervalMs = toMs(read.FLEET_WATCH_INTERVAL)
  if (fleetWatchIntervalMs > FLEET_WATCH_INTERVAL_MAX_MS) {
    throw new ConfigError("FLEET_WATCH_INTERVAL must be at most 30s.")
  }
  return {
    address: readAddress(read.RUN_ADDRESS),
    databaseUrl: read.DATABASE_URL,
    databaseConnectionsMax: read.DATABASE_CONNECTIONS_MAX,
    queueUrl: read.QUEUE_URL ?? read.DATABASE_URL,
    authKeys: parseKeys(read.AUTH_KEYS),
    tokenLifetimeMs: toMs(read.TOKEN_LIFETIME),
    passwordLengthMin: read.PASSWORD_LENGTH_MIN,
    withdrawOwnedOnly: read.WITHDRAWAL_ORDERS === "owned",
    trustedProxies: (read.TRUSTED_PROXIES ?? "")
      .split(",")
      .map((proxy) => proxy.trim())
      .filter((proxy) => proxy !== ""),
    operators: readOperators(read),
    boardIsReadOnly: read.BOARD_READ_ONLY === "true",
    throttling: {
      windowMs: toMs(read.THROTTLE_WINDOW),
      loginFailuresMax: read.LOGIN_FAILURES_MAX,
      loginFailuresPerAddressMax: read.LOGIN_FAILURES_PER_ADDRESS_MAX,
      registrationsPerAddressMax: read.REGISTRATIONS_PER_ADDRESS_MAX,
    },
    unfinishedOrdersMax: read.UNFINISHED_ORDERS_MAX,
    fleetWatchIntervalMs,
    leaseMs: toMs(read.REQUEUE_LEASE_MIN),
    shutdownGraceMs: toMs(read.SHUTDOWN_GRACE),
    logLevel: read.LOG_LEVEL,
    tracing: readTracing(read, "gofermart-api"),
  }
}
