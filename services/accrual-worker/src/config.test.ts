import { ConfigError } from "@gofermart/shared/runtime/env.ts"
import { describe, expect, it } from "vitest"
import { readConfig } from "./config.ts"

const DATABASE_URL = "postgresql://app:hunter2@db:5432/gofermart"
const PASSWORD = "correct horse battery"
const REQUIRED = { DATABASE_URL, SCORING_URL: "http://scoring:8080" }

/** The message of the refusal of these variables. */
function refusal(env: NodeJS.ProcessEnv): string {
  try {
    readConfig(env)
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return (error as Error).message
  }
  throw new Error("the configuration was accepted")
}

describe("the worker's settings", () => {
  it("are complete with a database and a scoring system", () => {
    expect(readConfig(REQUIRED)).toEqual({
      databaseUrl: DATABASE_URL,
      databaseConnectionsMax: 5,
      queueUrl: DATABASE_URL,
      scoringUrl: "http://scoring:8080",
      scoringTimeoutMs: 10_000,
      graceMs: 86_400_000,
      concurrency: 100,
      requeueIntervalMs: 5_000,
      lease: { minMs: 30_000, maxMs: 600_000 },
      ledgerCheckIntervalMs: 3_600_000,
      livenessTimeoutMs: 120_000,
      operators: {
        address: { host: "127.0.0.1", port: 0 },
        login: "operator",
        password: undefined,
        trustedProxies: [],
      },
      shutdownGraceMs: 20_000,
      logLevel: "info",
      tracing: expect.objectContaining({ sdk: undefined, ignored: [] }),
    })
  })

  it("can each be given as a variable", () => {
    const env = {
      ...REQUIRED,
      DATABASE_CONNECTIONS_MAX: "7",
      QUEUE_URL: "redis://queue:6379",
      SCORING_TIMEOUT: "250ms",
      SCORING_UNREGISTERED_GRACE: "3s",
      WORKER_CONCURRENCY: "8",
      REQUEUE_INTERVAL: "1s",
      REQUEUE_LEASE_MIN: "2s",
      REQUEUE_LEASE_MAX: "3m",
      LEDGER_CHECK_INTERVAL: "4m",
      LIVENESS_TIMEOUT: "5m",
      OPERATORS_ADDRESS: ":8092",
      OPERATORS_LOGIN: "ops",
      OPERATORS_PASSWORD: PASSWORD,
      TRUSTED_PROXIES: "10.0.0.1",
      SHUTDOWN_GRACE: "5s",
      LOG_LEVEL: "silent",
    }
    expect(readConfig(env)).toEqual({
      databaseUrl: DATABASE_URL,
      databaseConnectionsMax: 7,
      queueUrl: "redis://queue:6379",
      scoringUrl: "http://scoring:8080",
      scoringTimeoutMs: 250,
      graceMs: 3_000,
      concurrency: 8,
      requeueIntervalMs: 1_000,
      lease: { minMs: 2_000, maxMs: 180_000 },
      ledgerCheckIntervalMs: 240_000,
      livenessTimeoutMs: 300_000,
      operators: {
        address: { host: "::", port: 8092 },
        login: "ops",
        password: PASSWORD,
        trustedProxies: ["10.0.0.1"],
      },
      shutdownGraceMs: 5_000,
      logLevel: "silent",
      tracing: expect.objectContaining({ sdk: undefined, ignored: [] }),
    })
  })

  it("go by the names of the published contract too, which count for less", () => {
    const contract = { DATABASE_URI: DATABASE_URL, ACCRUAL_SYSTEM_ADDRESS: "http://scoring:8080" }
    expect(readConfig(contract)).toEqual(readConfig(REQUIRED))
    const both = { ...contract, DATABASE_URL: "postgres://ours/d", SCORING_URL: "http://ours" }
    expect(readConfig(both)).toMatchObject({
      databaseUrl: "postgres://ours/d",
      scoringUrl: "http://ours",
    })
  })

  it("keep the queue in the database unless a queue is given", () => {
    expect(readConfig({ ...REQUIRED, QUEUE_URL: "" }).queueUrl).toBe(DATABASE_URL)
  })

  it.each([
    ["scoring:8080", "http://scoring:8080"],
    ["localhost:8080", "http://localhost:8080"],
    ["http://scoring:8080", "http://scoring:8080"],
    ["https://scoring.example.org/base/", "https://scoring.example.org/base/"],
  ])("take %s for a scoring system at %s", (given, url) => {
    expect(readConfig({ ...REQUIRED, SCORING_URL: given }).scoringUrl).toBe(url)
  })

  it("are refused with every bad variable at once, and without their values", () => {
    const message = refusal({
      DATABASE_URL: "mysql://app:hunter2@db/gofermart",
      SCORING_URL: "/hunter3",
      SCORING_TIMEOUT: "hunter4",
      WORKER_CONCURRENCY: "0",
      LOG_LEVEL: "hunter5",
    })
    for (const name of [
      "DATABASE_URL",
      "SCORING_URL",
      "SCORING_TIMEOUT",
      "WORKER_CONCURRENCY",
      "LOG_LEVEL",
    ]) {
      expect(message).toContain(`${name} must be`)
    }
    expect(message).not.toContain("REQUEUE_INTERVAL")
    expect(message).not.toContain("hunter")
  })

  it("are refused with operators that anybody could be, and with a liveness that a poll outlasts", () => {
    expect(refusal({ ...REQUIRED, OPERATORS_ADDRESS: ":8092" })).toContain(
      "OPERATORS_PASSWORD must be set",
    )
    expect(refusal({ ...REQUIRED, SCORING_TIMEOUT: "2m" })).toContain(
      "LIVENESS_TIMEOUT must be longer than SCORING_TIMEOUT",
    )
  })

  it("are refused without a database or a scoring system", () => {
    expect(refusal({})).toMatch(/DATABASE_URL must be .*missing.*\n.*SCORING_URL must be .*missing/)
  })
})
