import { describe, expect, it } from "vitest"
import { readTracing } from "./tracing-settings.ts"

const read = (env: NodeJS.ProcessEnv) => readTracing(env, "a-service")
const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" }

describe("the settings of traces", () => {
  it.each([
    {},
    { OTEL_EXPORTER_OTLP_ENDPOINT: "" },
    { OTEL_TRACES_SAMPLER: "always_on" },
    { ...ENDPOINT, OTEL_SDK_DISABLED: "true" },
    { ...ENDPOINT, OTEL_SDK_DISABLED: "True" },
  ])("are off with %j", (env) => {
    expect(read(env)).toMatchObject({ sdk: undefined, ignored: [] })
  })

  it.each([
    ENDPOINT,
    { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://collector/traces" },
    { ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: "http/json", OTEL_SDK_DISABLED: "false" },
  ])("are on with %j, keeping every trace unless its caller does not", (env) => {
    expect(read(env)).toMatchObject({
      sdk: { serviceName: "a-service", sampler: "parentbased_always_on", ratio: 1 },
      ignored: [],
    })
  })

  it("are in JSON within ten seconds, unless they are asked for otherwise", () => {
    expect(read(ENDPOINT).sdk).toMatchObject({ protocol: "http/json", timeoutMs: 10_000 })
    const all = { OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf", OTEL_EXPORTER_OTLP_TIMEOUT: "50" }
    expect(read({ ...ENDPOINT, ...all }).sdk).toMatchObject({
      protocol: "http/protobuf",
      timeoutMs: 50,
    })
    const ofTraces = {
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "HTTP/JSON",
      OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: "70",
    }
    expect(read({ ...ENDPOINT, ...all, ...ofTraces }).sdk).toMatchObject({
      protocol: "http/json",
      timeoutMs: 70,
    })
  })

  it("have a ratio of traces that are kept", () => {
    const sampler = { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.25" }
    expect(read({ ...ENDPOINT, ...sampler }).sdk).toMatchObject({
      sampler: "traceidratio",
      ratio: 0.25,
    })
  })

  it.each([
    { OTEL_EXPORTER_OTLP_HEADERS: "authorization=Basic%20YTpi==,x-scope=a" },
    { OTEL_RESOURCE_ATTRIBUTES: "deployment.environment=prod,service.version=," },
    { OTEL_EXPORTER_OTLP_TIMEOUT: "5000", OTEL_EXPORTER_OTLP_COMPRESSION: "gzip" },
    { OTEL_SERVICE_NAME: "api" },
  ])("hand %j on to the exporter, without white space around it", (env) => {
    const padded = Object.fromEntries(
      Object.entries(env).map(([name, text]) => [name, ` ${text}\n`]),
    )
    expect(read({ ...ENDPOINT, ...padded })).toMatchObject({
      environment: { ...ENDPOINT, ...env },
      ignored: [],
    })
  })

  it("count as not set where they are not usable, for the exporter as well", () => {
    const { sdk, ignored, environment } = read({
      ...ENDPOINT,
      OTEL_TRACES_SAMPLER: "sometimes",
      OTEL_EXPORTER_OTLP_COMPRESSION: "brotli",
    })
    expect(sdk).toMatchObject({ sampler: "parentbased_always_on" })
    expect(ignored).toHaveLength(2)
    expect(environment).toMatchObject({ ...ENDPOINT, OTEL_EXPORTER_OTLP_COMPRESSION: undefined })
    expect(read({ OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" }).sdk).toBeUndefined()
  })

  it("are in JSON when they are asked for in grpc, which is not spoken here", () => {
    const { sdk, ignored } = read({ ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" })
    expect(sdk).toMatchObject({ protocol: "http/json" })
    expect(ignored).toEqual([expect.stringContaining("OTEL_EXPORTER_OTLP_PROTOCOL")])
  })
})
