import { Type } from "typebox"
import { judgeEnv, textSetting } from "./env.ts"
import { isKeyOf } from "./pem-file.ts"
import { defineSettings, setting } from "./setting.ts"
import {
  attributes,
  compression,
  DEFAULT_PROTOCOL,
  DEFAULT_TIMEOUT_MS,
  endpoint,
  endpointWithoutPath,
  headers,
  pemFile,
  protocol,
  timeout,
} from "./tracing-setting-kinds.ts"

const authority = pemFile("certificate", "the certificate of whoever vouches for the collector")
const certificate = pemFile("certificate", "the certificate that the collector is shown")
const privateKey = pemFile("private key", "the key of the certificate that the collector is shown")

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
  OTEL_RESOURCE_ATTRIBUTES: attributes,
  OTEL_EXPORTER_OTLP_ENDPOINT: setting(endpointWithoutPath, {
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

/** Words that OpenTelemetry takes in either case. */
const CASELESS = /^OTEL_(SDK_DISABLED|TRACES_SAMPLER|EXPORTER_OTLP_.*(PROTOCOL|COMPRESSION))$/

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
  protocol: "http/json" | "http/protobuf"
  /** For one batch of spans, with all that is tried again. */
  timeoutMs: number
}

/** Reads the settings of traces, of which none keeps a service from starting. */
export function readTracing(env: NodeJS.ProcessEnv, serviceName: string): TracingConfig {
  const { read: given, faults } = judgeEnv(Schema, withoutCase(env))
  const bad = faults.map((fault) => fault.setting)
  const usable: Usable = Object.fromEntries(
    NAMES.map((name) => [name, bad.includes(name) ? undefined : given[name]]),
  )
  const odd = whatIsOddInCertificate(usable)
  const environment = odd === undefined ? usable : { ...usable, ...WITHOUT_CERTIFICATE }
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
            protocol:
              read.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL ??
              read.OTEL_EXPORTER_OTLP_PROTOCOL ??
              DEFAULT_PROTOCOL,
            timeoutMs: Number(
              read.OTEL_EXPORTER_OTLP_TRACES_TIMEOUT ??
                read.OTEL_EXPORTER_OTLP_TIMEOUT ??
                DEFAULT_TIMEOUT_MS,
            ),
          }
        : undefined,
    ignored: [...faults.map(({ says }) => says), ...(odd === undefined ? [] : [odd])],
    environment,
  }
}

type Usable = { [Name in keyof typeof tracingSettings]?: string | undefined }

const WITHOUT_CERTIFICATE: Usable = {
  OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: undefined,
  OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE: undefined,
  OTEL_EXPORTER_OTLP_CLIENT_KEY: undefined,
  OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: undefined,
}

/** TLS would refuse another certificate's key at each connection, and show no certificate without one. */
function whatIsOddInCertificate(usable: Usable): string | undefined {
  const certificateFile =
    usable.OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE ??
    usable.OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE
  const keyFile =
    usable.OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY ?? usable.OTEL_EXPORTER_OTLP_CLIENT_KEY
  if (certificateFile === undefined && keyFile === undefined) return undefined
  if (certificateFile === undefined) return "OTEL_EXPORTER_OTLP_CLIENT_KEY has no certificate"
  if (keyFile === undefined) return "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE has no key"
  return isKeyOf(keyFile, certificateFile)
    ? undefined
    : "OTEL_EXPORTER_OTLP_CLIENT_KEY is not the key of OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"
}

function withoutCase(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const words = NAMES.filter((name) => CASELESS.test(name)).map((name) => [
    name,
    env[name]?.toLowerCase(),
  ])
  return { ...env, ...Object.fromEntries(words) }
}
