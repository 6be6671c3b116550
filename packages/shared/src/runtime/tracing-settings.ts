import { validateHeaderName, validateHeaderValue } from "node:http"
import { Type } from "typebox"
import { judgeEnv, textSetting } from "./env.ts"
import { whatIsWrongInPemFile } from "./pem-file.ts"
import { defineSettings, setting } from "./setting.ts"

const endpoint = Type.Optional(
  textSetting({ description: "a URL http://… or https://…" }, (given) => {
    if (!/^https?:\/\//.test(given)) return "it does not begin so"
    return URL.canParse(given) ? undefined : "it is no URL"
  }),
)
/** The exporter's other encodings are packages of their own. */
const protocol = setting(
  Type.Optional(Type.Enum(["http/json"], { description: "http/json, the only one spoken here" })),
  { purpose: "the encoding of traces that are sent", fallback: "http/json" },
)
const HEADER = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/
const ATTRIBUTE = /^\s*([^=\s]+)\s*=\s*([^=]*?)\s*$/

const headers = setting(
  Type.Optional(
    textSetting(
      { description: "headers as name=value,name=value, with % before what stands for itself" },
      (given) => whatIsWrongInPairs(given, HEADER, isHeader),
    ),
  ),
  { purpose: "headers for the collector, such as its token", fallback: "none", secret: true },
)
const timeout = setting(
  Type.Optional(
    textSetting({ description: "a whole number of milliseconds above 0" }, (given) =>
      /^0*[1-9][0-9]{0,8}$/.test(given) ? undefined : "it is not",
    ),
  ),
  { purpose: "the timeout for sending traces", fallback: "10000" },
)
const compression = setting(
  Type.Optional(Type.Enum(["none", "gzip"], { description: "none or gzip" })),
  { purpose: "the compression of traces that are sent", fallback: "none" },
)
const authority = pemFile("certificate", "the certificate of whoever vouches for the collector")
const certificate = pemFile("certificate", "the certificate that the collector is shown")
const privateKey = pemFile("private key", "the key of the certificate that the collector is shown")

/** Of a name or a value, decoded; for a longer one the SDK throws all attributes away. */
const ATTRIBUTE_LENGTH_MAX = 255

/** OpenTelemetry's own names; read them with `readTracing`. */
export const tracingSettings = {
  OTEL_SDK_DISABLED: setting(
    Type.Enum(["true", "false"], {
      default: "false",
      description: "true or false",
    }),
    { purpose: "whether there are no traces, whatever else is set" },
  ),
  OTEL_SERVICE_NAME: setting(Type.Optional(Type.String({ description: "a name" })), {
    purpose: "the name of the process in traces",
    fallback: "gofermart-api or gofermart-accrual-worker",
  }),
  OTEL_RESOURCE_ATTRIBUTES: setting(
    Type.Optional(
      textSetting(
        {
          description: "attributes as name=value,name=value, with % before what stands for itself",
        },
        (given) => whatIsWrongInPairs(given, ATTRIBUTE, isAttribute),
      ),
    ),
    { purpose: "attributes of the process in traces", fallback: "none" },
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: setting(endpoint, {
    purpose: "the collector that traces are sent to, such as http://otel:4318",
    fallback: "there are no traces",
  }),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: setting(endpoint, {
    purpose: "the same with its whole path, such as http://otel:4318/v1/traces",
    fallback: "OTEL_EXPORTER_OTLP_ENDPOINT",
  }),
  OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: protocol,
  OTEL_EXPORTER_OTLP_HEADERS: headers,
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: headers,
  OTEL_EXPORTER_OTLP_TIMEOUT: timeout,
  OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: timeout,
  OTEL_EXPORTER_OTLP_COMPRESSION: compression,
  OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: compression,
  OTEL_EXPORTER_OTLP_CERTIFICATE: authority,
  OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: authority,
  OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: certificate,
  OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE: certificate,
  OTEL_EXPORTER_OTLP_CLIENT_KEY: privateKey,
  OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: privateKey,
  OTEL_TRACES_SAMPLER: setting(
    Type.Enum(
      [
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
      ],
      {
        default: "parentbased_always_on",
        description: "always_on, always_off or traceidratio, each also after parentbased_",
      },
    ),
    { purpose: "which traces are kept" },
  ),
  OTEL_TRACES_SAMPLER_ARG: setting(
    textSetting(
      { default: "1", description: "the part of the traces that is kept, from 0 to 1" },
      (given) => (/^(0(\.[0-9]{1,9})?|1(\.0{1,9})?)$/.test(given) ? undefined : "it is not"),
    ),
    { purpose: "the part of the traces that traceidratio keeps" },
  ),
}

const Schema = defineSettings(tracingSettings)
const NAMES = Object.keys(tracingSettings) as (keyof typeof tracingSettings)[]

export interface TracingConfig {
  /** Undefined when there is nowhere to send traces to: then there are none. */
  sdk: SdkConfig | undefined
  /** What is wrong with variables, in words without their values; they count as not set. */
  ignored: string[]
  /**
   * What the exporter and the SDK, which read the environment themselves, are to find in it;
   * undefined is a variable that is not to be there.
   */
  environment: Record<string, string | undefined>
}

export interface SdkConfig {
  /** What the traces name the service, unless OTEL_SERVICE_NAME does. */
  serviceName: string
  sampler: string
  /** The part of the traces that a ratio sampler keeps. */
  ratio: number
}

/** Reads the settings of traces, of which none keeps a service from starting. */
export function readTracing(env: NodeJS.ProcessEnv, serviceName: string): TracingConfig {
  const { read: given, faults } = judgeEnv(Schema, env)
  const bad = faults.map((fault) => fault.setting)
  const environment = Object.fromEntries(
    NAMES.map((name) => [name, bad.includes(name) ? undefined : given[name]]),
  )
  const { read } = judgeEnv(Schema, environment)
  const hasEndpoint =
    read.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined ||
    read.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT !== undefined
  return {
    sdk:
      hasEndpoint && read.OTEL_SDK_DISABLED === "false"
        ? {
            serviceName,
            sampler: read.OTEL_TRACES_SAMPLER,
            ratio: Number(read.OTEL_TRACES_SAMPLER_ARG),
          }
        : undefined,
    ignored: faults.map(({ says }) => says),
    environment,
  }
}

/** The path of a file with something in PEM. */
function pemFile(holds: "certificate" | "private key", purpose: string) {
  const description = `the path of a file with a ${holds} in PEM`
  return setting(
    Type.Optional(
      textSetting({ description }, (given) => {
        const wrong = whatIsWrongInPemFile(given, holds)
        return wrong === undefined ? undefined : `it ${wrong}`
      }),
    ),
    { purpose, fallback: "none" },
  )
}

/**
 * As OpenTelemetry reads `name=value,name=value` with percent-encoding. A header's value may have
 * further equals signs, an attribute's may not.
 */
function whatIsWrongInPairs(
  text: string,
  form: RegExp,
  isUsable: (name: string, value: string) => boolean,
): string | undefined {
  const pairs = text.split(",").filter((pair) => pair.trim() !== "")
  const bad = pairs.findIndex((pair) => {
    const [, name = "", value = ""] = form.exec(pair) ?? []
    try {
      return name === "" || !isUsable(decodeURIComponent(name), decodeURIComponent(value))
    } catch {
      return true
    }
  })
  return bad === -1 ? undefined : `pair ${bad + 1} is not one`
}

function isHeader(name: string, value: string): boolean {
  validateHeaderName(name)
  validateHeaderValue(name, value)
  return value !== ""
}

function isAttribute(name: string, value: string): boolean {
  return Math.max(name.length, value.length) <= ATTRIBUTE_LENGTH_MAX
}
