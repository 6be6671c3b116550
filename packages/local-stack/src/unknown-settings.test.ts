import { describe, expect, it } from "vitest"
import { PROGRAMS } from "./programs.ts"
import { whatIsNoSetting } from "./unknown-settings.ts"

describe("a variable that is no setting", () => {
  it.each([
    ["REQUEUE_LEASE_MN", "did you mean REQUEUE_LEASE_MIN?"],
    ["LOGLEVEL", "did you mean LOG_LEVEL?"],
    ["QUEUE_URI", "did you mean QUEUE_URL?"],
    ["SCORING_TIMEOUT_MS", "did you mean SCORING_TIMEOUT?"],
    ["WORKER_CONCURENCY", "did you mean WORKER_CONCURRENCY?"],
    ["OTEL_EXPORTER_OTLP_ENDPOINTS", "did you mean OTEL_EXPORTER_OTLP_ENDPOINT?"],
    ["ACRUAL_SYSTEM_ADDRESS", "did you mean ACCRUAL_SYSTEM_ADDRESS?"],
    ["GOFERMART_PORT", "see docs/SETTINGS.md"],
    ["SIMULATOR_SPEED", "see docs/SETTINGS.md"],
  ])("%s is told, without its value", (name, hint) => {
    expect(whatIsNoSetting({ PATH: "/bin", [name]: "hunter22" })).toEqual([
      `${name} is no setting of any service (${hint})`,
    ])
  })

  it.each([
    ["PATH", "HOME", "USER", "PWD", "SHELL", "TERM", "LANG", "TZ", "CI", "EDITOR", "HOSTNAME"],
    ["NODE_ENV", "NODE_OPTIONS", "NODE_EXTRA_CA_CERTS", "npm_execpath", "npm_config_loglevel"],
    ["PGPASSWORD", "PGHOST", "DATABASE_USER", "DATABASE_HOST", "REDIS_URL", "LOG_DIR"],
    ["OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_LOG_LEVEL"],
    ["A_SETTING_OF_TOMORROW"],
  ])("is not told where it is meant for others: %s", (...names) => {
    expect(whatIsNoSetting(Object.fromEntries(names.map((name) => [name, "given"])))).toEqual([])
  })

  it("is not told where it is empty, nor is any setting that there is", () => {
    expect(whatIsNoSetting({ GOFERMART_PORT: " " })).toEqual([])
    const names = Object.values(PROGRAMS).flatMap((settings) => Object.keys(settings))
    const env = Object.fromEntries([...names, "DATABASE_URI"].map((name) => [name, "given"]))
    expect(whatIsNoSetting(env)).toEqual([])
  })
})
