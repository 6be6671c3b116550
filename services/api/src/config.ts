import { Type } from "typebox"
import {
  connectionRules,
  connectionSettings,
  readConnections,
} from "@gofermart/shared/queue/connection-settings.ts"
import { exitSettings } from "@gofermart/shared/runtime/config-exit.ts"
import {
  duration,
  listenAddress,
  readAddress,
  readEnv,
  textSetting,
  toMs,
  wholeNumber,
} from "@gofermart/shared/runtime/env.ts"
import {
  databaseConnectionsMax,
  logLevel,
  requeueLeaseMin,
  shutdownGrace,
} from "@gofermart/shared/runtime/service-settings.ts"
import { defineSettings, setting } from "@gofermart/shared/runtime/setting.ts"
import { readTracing, tracingSettings } from "@gofermart/shared/runtime/tracing-settings.ts"
import {
  operatorsRule,
  operatorsSettings,
  readOperators,
} from "@gofermart/shared/operator/settings.ts"
import { parseKeys } from "./auth/tokens.ts"

/** What is older than two minutes counts as not looked at by anybody. */
const FLEET_WATCH_INTERVAL_MAX_MS = 30_000
/** What HS256 asks for (RFC 7518, section 3.2). */
const KEY_BYTES_MIN = 32

export const Schema = defineSettings({
  RUN_ADDRESS: setting(listenAddress("127.0.0.1:8080"), { purpose: "where to serve the API" }),
  ...connectionSettings,
  DATABASE_CONNECTIONS_MAX: databaseConnectionsMax(10),
  AUTH_KEYS: setting(
    textSetting(
      {
        description:
          "signing keys as id:key,id:key with different ids and keys of at least 32 bytes in base64url; the first one signs",
      },
      whatIsWrongInKeys,
    ),
    {
      purpose: "the keys that tokens are signed with; the same on every API",
      secret: true,
    },
  ),
  TOKEN_LIFETIME: setting(duration("24h"), { purpose: "how long a token is valid" }),
  PASSWORD_LENGTH_MIN: setting(wholeNumber(1, 64, 8), {
    purpose: "the shortest password that a customer may choose",
    unit: "characters",
  }),
  WITHDRAWAL_ORDERS: setting(
    Type.Enum(["any", "owned"], {
      default: "any",
      description: "any (a number that nobody uploaded can be paid with points) or owned",
    }),
    { purpose: "which orders points may pay for; owned: those the customer uploaded before" },
  ),
  ...operatorsSettings("127.0.0.1:8090"),
  BOARD_READ_ONLY: setting(
    Type.Enum(["true", "false"], {
      default: "false",
      description: "true or false",
    }),
    { purpose: "whether the board of the queue shows jobs and changes none" },
  ),
  THROTTLE_WINDOW: setting(duration("10m"), {
    purpose: "the time in which failed logins and registrations are counted",
  }),
  LOGIN_FAILURES_MAX: setting(wholeNumber(1, 1_000_000, 10), {
    purpose: "the most failed logins with one login from one address within THROTTLE_WINDOW",
    unit: "logins",
  }),
  LOGIN_FAILURES_PER_ADDRESS_MAX: setting(wholeNumber(1, 1_000_000, 100), {
    purpose: "the most failed logins from one address within THROTTLE_WINDOW",
    unit: "logins",
  }),
  LOGINS_AT_ONCE_PER_ADDRESS_MAX: setting(wholeNumber(1, 10_000, 64), {
    purpose: "the most logins, registrations, password changes under way from one address",
    unit: "requests",
  }),
  REGISTRATIONS_PER_ADDRESS_MAX: setting(wholeNumber(1, 1_000_000, 600), {
    purpose: "the most registrations from one address within THROTTLE_WINDOW",
    unit: "registrations",
  }),
  UNFINISHED_ORDERS_MAX: setting(wholeNumber(1, 100_000_000, 10_000), {
    purpose: "the most orders of a customer that are not final; further uploads are refused",
    unit: "orders",
  }),
  STREAMS_PER_NETWORK_MAX: setting(wholeNumber(1, 1_000_000, 500), {
    purpose: "the most event streams open at once for the clients of one network",
    unit: "streams",
  }),
  WAITS_PER_NETWORK_MAX: setting(wholeNumber(1, 1_000_000, 500), {
    purpose: "the most requests with Prefer: wait that wait at once for the clients of one network",
    unit: "requests",
  }),
  FLEET_WATCH_INTERVAL: setting(duration("10s", FLEET_WATCH_INTERVAL_MAX_MS), {
    purpose: "how often the metrics of all workers together are read",
  }),
  REQUEUE_LEASE_MIN: requeueLeaseMin,
  SHUTDOWN_GRACE: shutdownGrace,
  ...exitSettings,
  LOG_LEVEL: logLevel,
})

/** Everything that the API reads from its environment. */
export const allSettings = { ...Schema.properties, ...tracingSettings }

export type Config = ReturnType<typeof readConfig>

/** Reads the API's settings. Throws a `ConfigError` that names every bad variable. */
export function readConfig(env: NodeJS.ProcessEnv) {
  const read = readEnv(Schema, env, [...connectionRules, operatorsRule])
  return {
    address: readAddress(read.RUN_ADDRESS),
    ...readConnections(read),
    databaseConnectionsMax: read.DATABASE_CONNECTIONS_MAX,
    authKeys: parseKeys(read.AUTH_KEYS),
    tokenLifetimeMs: toMs(read.TOKEN_LIFETIME),
    passwordLengthMin: read.PASSWORD_LENGTH_MIN,
    withdrawOwnedOnly: read.WITHDRAWAL_ORDERS === "owned",
    operators: readOperators(read),
    boardIsReadOnly: read.BOARD_READ_ONLY === "true",
    throttling: {
      windowMs: toMs(read.THROTTLE_WINDOW),
      loginFailuresMax: read.LOGIN_FAILURES_MAX,
      loginFailuresPerAddressMax: read.LOGIN_FAILURES_PER_ADDRESS_MAX,
      registrationsPerAddressMax: read.REGISTRATIONS_PER_ADDRESS_MAX,
    },
    loginsAtOncePerAddressMax: read.LOGINS_AT_ONCE_PER_ADDRESS_MAX,
    unfinishedOrdersMax: read.UNFINISHED_ORDERS_MAX,
    streamsPerNetworkMax: read.STREAMS_PER_NETWORK_MAX,
    waitsPerNetworkMax: read.WAITS_PER_NETWORK_MAX,
    fleetWatchIntervalMs: toMs(read.FLEET_WATCH_INTERVAL),
    leaseMs: toMs(read.REQUEUE_LEASE_MIN),
    shutdownGraceMs: toMs(read.SHUTDOWN_GRACE),
    logLevel: read.LOG_LEVEL,
    tracing: readTracing(env, "gofermart-api"),
  }
}

/** In a few words, without any of the text. */
function whatIsWrongInKeys(text: string): string | undefined {
  for (const [i, pair] of text.split(",").entries()) {
    const [id = "", key = "", ...more] = pair.split(":")
    if (!/^[\w-]+$/.test(id) || more.length > 0) return `number ${i + 1} is not one id and one key`
    // Four characters are three bytes; one that is left over is none.
    if (!/^[\w-]+$/.test(key) || key.length % 4 === 1) return `key ${i + 1} is not base64url`
    if (Buffer.from(key, "base64url").length < KEY_BYTES_MIN) return `key ${i + 1} is shorter`
  }
  return parseKeys(text).byId.size < text.split(",").length ? "two have the same id" : undefined
}
