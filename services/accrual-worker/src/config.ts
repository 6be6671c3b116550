import type { Static } from "typebox"
import {
  connectionRules,
  connectionSettings,
  readConnections,
} from "@gofermart/shared/queue/connection-settings.ts"
import { exitSettings } from "@gofermart/shared/runtime/config-exit.ts"
import { duration, readEnv, type Rule, toMs, wholeNumber } from "@gofermart/shared/runtime/env.ts"
import {
  databaseConnectionsMax,
  logLevel,
  requeueLeaseMin,
  shutdownGrace,
} from "@gofermart/shared/runtime/service-settings.ts"
import { defineSettings, setting } from "@gofermart/shared/runtime/setting.ts"
import { readScoring, scoringSettings } from "@gofermart/scoring-client/settings.ts"
import { readTracing, tracingSettings } from "@gofermart/shared/runtime/tracing-settings.ts"
import {
  operatorsRule,
  operatorsSettings,
  readOperators,
} from "@gofermart/shared/operator/settings.ts"

export const Schema = defineSettings({
  ...connectionSettings,
  DATABASE_CONNECTIONS_MAX: databaseConnectionsMax(5),
  ...scoringSettings,
  SCORING_UNREGISTERED_GRACE: setting(duration("24h"), {
    purpose: "how long the scoring system may not know an order before it is shown as INVALID",
  }),
  WORKER_CONCURRENCY: setting(wholeNumber(1, 1_000, 100), {
    purpose: "the most orders that one process polls at once",
    unit: "orders",
  }),
  REQUEUE_INTERVAL: setting(duration("5s"), {
    purpose: "how often orders are looked for whose job is lost or late",
  }),
  REQUEUE_LEASE_MIN: requeueLeaseMin,
  REQUEUE_LEASE_MAX: setting(duration("10m"), {
    purpose: "the longest that REQUEUE_LEASE_MIN becomes, as it grows with the age of an order",
  }),
  LEDGER_CHECK_INTERVAL: setting(duration("1h"), {
    purpose: "the time from the end of one check of all balances to the next",
  }),
  LIVENESS_TIMEOUT: setting(duration("2m"), {
    purpose: "how long a worker without progress counts as alive; longer than SCORING_TIMEOUT",
  }),
  ...operatorsSettings("127.0.0.1:0"),
  SHUTDOWN_GRACE: shutdownGrace,
  ...exitSettings,
  LOG_LEVEL: logLevel,
})

/** Everything that the worker reads from its environment. */
export const allSettings = { ...Schema.properties, ...tracingSettings }

const rules: Rule<Static<typeof Schema>>[] = [
  ...connectionRules,
  operatorsRule,
  {
    of: ["REQUEUE_LEASE_MIN", "REQUEUE_LEASE_MAX"],
    isKept: (read) => toMs(read.REQUEUE_LEASE_MIN) <= toMs(read.REQUEUE_LEASE_MAX),
    says: "REQUEUE_LEASE_MIN must not be longer than REQUEUE_LEASE_MAX",
  },
  {
    of: ["LIVENESS_TIMEOUT", "SCORING_TIMEOUT"],
    isKept: (read) => toMs(read.LIVENESS_TIMEOUT) > toMs(read.SCORING_TIMEOUT),
    says: "LIVENESS_TIMEOUT must be longer than SCORING_TIMEOUT",
  },
]

export type Config = ReturnType<typeof readConfig>

/** Reads the worker's settings. Throws a `ConfigError` that names every bad variable. */
export function readConfig(env: NodeJS.ProcessEnv) {
  const read = readEnv(Schema, env, rules)
  const scoring = readScoring(read)
  return {
    ...readConnections(read),
    databaseConnectionsMax: read.DATABASE_CONNECTIONS_MAX,
    scoringUrl: scoring.url,
    scoringTimeoutMs: scoring.timeoutMs,
    graceMs: toMs(read.SCORING_UNREGISTERED_GRACE),
    concurrency: read.WORKER_CONCURRENCY,
    requeueIntervalMs: toMs(read.REQUEUE_INTERVAL),
    lease: { minMs: toMs(read.REQUEUE_LEASE_MIN), maxMs: toMs(read.REQUEUE_LEASE_MAX) },
    ledgerCheckIntervalMs: toMs(read.LEDGER_CHECK_INTERVAL),
    livenessTimeoutMs: toMs(read.LIVENESS_TIMEOUT),
    operators: readOperators(read),
    shutdownGraceMs: toMs(read.SHUTDOWN_GRACE),
    logLevel: read.LOG_LEVEL,
    tracing: readTracing(env, "gofermart-accrual-worker"),
  }
}
