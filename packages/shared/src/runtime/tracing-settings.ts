import { Type } from "typebox"

const endpoint = Type.Optional(
  Type.String({ pattern: "^https?://", description: "a URL http://… or https://…" }),
)
/** The exporter's other encodings are packages of their own. */
const protocol = Type.Optional(
  Type.Enum(["http/json"], { description: "http/json, the only one spoken here" }),
)

/**
 * OpenTelemetry's own names; read them with `readTracing`. The endpoints, and what else is about
 * sending (headers, timeout, compression, certificates), the exporter reads by itself, and the SDK
 * OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES.
 */
export const tracingSettings = {
  OTEL_SDK_DISABLED: Type.Enum(["true", "false"], {
    default: "false",
    description: "true or false",
  }),
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint,
  OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: protocol,
  OTEL_TRACES_SAMPLER: Type.Enum(
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
  OTEL_TRACES_SAMPLER_ARG: Type.String({
    pattern: "^(0(\\.[0-9]{1,9})?|1(\\.0{1,9})?)$",
    default: "1",
    description: "the part of the traces that is kept, from 0 to 1",
  }),
}

export interface TracingConfig {
  /** What the traces name the service, unless OTEL_SERVICE_NAME does. */
  serviceName: string
  sampler: string
  /** The part of the traces that a ratio sampler keeps. */
  ratio: number
}

/** Undefined when there is nowhere to send traces to: then there are none. */
export function readTracing(
  read: {
    OTEL_SDK_DISABLED: string
    OTEL_EXPORTER_OTLP_ENDPOINT?: string
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT?: string
    OTEL_TRACES_SAMPLER: string
    OTEL_TRACES_SAMPLER_ARG: string
  },
  serviceName: string,
): TracingConfig | undefined {
  const hasEndpoint =
    read.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined ||
    read.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT !== undefined
  if (!hasEndpoint || read.OTEL_SDK_DISABLED === "true") return undefined
  return {
    serviceName,
    sampler: read.OTEL_TRACES_SAMPLER,
    ratio: Number(read.OTEL_TRACES_SAMPLER_ARG),
  }
}
