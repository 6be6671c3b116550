import { Type } from "typebox"
import {
  ConfigError,
  databaseUrl,
  duration,
  logLevel,
  queueUrl,
  readEnv,
  toMs,
  wholeNumber,
  withContractNames,
} from "@gofermart/shared/runtime/env.ts"
import { readScoring, scoringSettings } from "@gofermart/scoring-client/settings.ts"
import { readTracing, tracingSettings } from "@gofermart/shared/runtime/tracing-settings.ts"
import { operatorsSettings, readOperators } from "@gofermart/shared/operators/settings.ts"

export const Schema = Type.Object({
  DATABASE_URL: databaseUrl,
  DATABASE_CONNECTIONS_MAX: wholeNumber(1, 1_000, 5),
  QUEUE_URL: Type.Optional(queueUrl),
  ...scoringSettings,
  SCORING_UNREGISTERED_GRACE: duration("24h"),
  WORKER_CONCURRENCY: wholeNumber(1, 1_000, 100),
  REQUEUE_INTERVAL: duration("5s"),
  REQUEUE_LEASE_MIN: duration("30s"),
  REQUEUE_LEASE_MAX: duration("10m"),
  LEDGER_CHECK_INTERVAL: duration("1h"),
  LIVENESS_TIMEOUT: duration("2m"),
  ...operatorsSettings("127.0.0.1:0"),
  SHUTDOWN_GRACE: duration("20s"),
  LOG_LEVEL: logLevel,
  ...tracingSettings,
})

export type Config = ReturnType<typeof readConfig>

/** Reads the worker's settings. Throws a `ConfigError` that names every bad variable. */
export function readConfig(env: NodeJS.ProcessEnv) {
  const read = readEnv(Schema, withContractNames(env))
  const lease = { minMs: toMs(read.REQUEUE_LEASE_MIN), maxMs: toMs(read.REQUEUE_LEASE_MAX) }
  if (lease.minMs > lease.maxMs) {
    throw new ConfigError("REQUEUE_LEASE_MIN must not be longer than REQUEUE_LEASE_MAX.")
  }
  const scoring = readScoring(read)
  const livenessTimeoutMs = toMs(read.LIVENESS_TIMEOUT)
  if (livenessTimeoutMs <= scoring.timeoutMs) {
    throw new ConfigError("LIVENESS_TIMEOUT must be longer than SCORING_TIMEOUT.")
  }
  return {
    databaseUrl: read.DATABASE_URL,
    databaseConnectionsMax: read.DATABASE_CONNECTIONS_MAX,
    queueUrl: read.QUEUE_URL ?? read.DATABASE_URL,
    scoringUrl: scoring.url,
    scoringTimeoutMs: scoring.timeoutMs,
    graceMs: toMs(read.SCORING_UNREGISTERED_GRACE),
    concurrency: read.WORKER_CONCURRENCY,
    requeueIntervalMs: toMs(read.REQUEUE_INTERVAL),
    lease,
    ledgerCheckIntervalMs: toMs(read.LEDGER_CHECK_INTERVAL),
    livenessTimeoutMs,
    operators: readOperators(read),
    shutdownGraceMs: toMs(read.SHUTDOWN_GRACE),
    logLevel: read.LOG_LEVEL,
    tracing: readTracing(read, "gofermart-accrual-worker"),
  }
}
