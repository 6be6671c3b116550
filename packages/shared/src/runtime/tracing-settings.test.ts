import { Type } from "typebox"
import { describe, expect, it } from "vitest"
import { ConfigError, readEnv } from "./env.ts"
import { readTracing, tracingSettings } from "./tracing-settings.ts"

const read = (env: NodeJS.ProcessEnv) =>
  readTracing(readEnv(Type.Object(tracingSettings), env), "a-service")
const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" }

describe("the settings of traces", () => {
  it.each([
    {},
    { OTEL_EXPORTER_OTLP_ENDPOINT: "" },
    { OTEL_TRACES_SAMPLER: "always_on" },
    { ...ENDPOINT, OTEL_SDK_DISABLED: "true" },
  ])("are off with %j", (env) => {
    expect(read(env)).toBeUndefined()
  })

  it.each([
    ENDPOINT,
    { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://collector/traces" },
    { ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: "http/json", OTEL_SDK_DISABLED: "false" },
  ])("are on with %j, keeping every trace unless its caller does not", (env) => {
    expect(read(env)).toEqual({
      serviceName: "a-service",
      sampler: "parentbased_always_on",
      ratio: 1,
    })
  })

  it("have a ratio of traces that are kept", () => {
    const sampler = { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.25" }
    expect(read({ ...ENDPOINT, ...sampler })).toMatchObject({
      sampler: "traceidratio",
      ratio: 0.25,
    })
  })

  it.each([
    { OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" },
    { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" },
    { OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/protobuf" },
    { OTEL_TRACES_SAMPLER: "sometimes" },
    { OTEL_TRACES_SAMPLER_ARG: "1.5" },
    { OTEL_TRACES_SAMPLER_ARG: "half" },
    { OTEL_SDK_DISABLED: "yes" },
  ])("refuse %j", (env) => {
    expect(() => read({ ...ENDPOINT, ...env })).toThrow(ConfigError)
  })
})
