import { context, propagation, SpanKind, trace, type Tracer } from "@opentelemetry/api"
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks"
import { W3CTraceContextPropagator } from "@opentelemetry/core"
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http"
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto"
import {
  defaultResource,
  detectResources,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from "@opentelemetry/resources"
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  SamplingDecision,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace"
import type { Telemetry } from "bullmq"
import { BullMQOtel } from "bullmq-otel"
import type { Logger } from "./logger.ts"
import { complainOfTraces } from "./tracing-complaints.ts"
import { countLostSpans } from "./tracing-losses.ts"
import type { SdkConfig } from "./tracing-settings.ts"

/** Of spans that wait for a collector that is slow or away; more are dropped. */
const SPANS_WAITING_MAX = 8_192
const SPANS_PER_EXPORT_MAX = 512
const EXPORT_INTERVAL_MS = 1_000
/** Of one attribute, such as the stack of an error. */
const ATTRIBUTE_LENGTH_MAX = 2_048
/**
 * An export that takes its timeout and this much longer is given up by the SDK: the exporter's own
 * timeout is for the time in which a collector says nothing, and one may go on and on.
 */
const EXPORT_OVERTIME_MS = 1_000

export interface Tracing {
  tracer: Tracer
  telemetry: Telemetry
}

/** Loaded only where traces are on: see `startTracing`. */
export function startSdk(config: SdkConfig, logger: Logger): Tracing & { close(): Promise<void> } {
  const complain = complainOfTraces(logger)
  context.setGlobalContextManager(new AsyncLocalStorageContextManager())
  // No baggage: what a client makes up is not carried to the scoring system.
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())

  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ "service.name": config.serviceName }))
      .merge(
        detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] }),
      ),
    sampler: withoutHousekeeping(samplerOf(config)),
    spanLimits: { attributeValueLengthLimit: ATTRIBUTE_LENGTH_MAX },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: config.protocol === "http/protobuf" ? new ProtobufExporter() : new JsonExporter(),
        maxQueueSize: SPANS_WAITING_MAX,
        maxExportBatchSize: SPANS_PER_EXPORT_MAX,
        scheduledDelayMillis: EXPORT_INTERVAL_MS,
        exportTimeoutMillis: config.timeoutMs + EXPORT_OVERTIME_MS,
        selfObsMeterProvider: countLostSpans(),
      }),
    ],
  })
  trace.setGlobalTracerProvider(provider)
  return {
    tracer: provider.getTracer("gofermart"),
    telemetry: new BullMQOtel(),
    close: () => provider.shutdown().catch(complain),
  }
}

function samplerOf({ sampler, ratio }: SdkConfig): Sampler {
  const root = rootSamplerOf(sampler.replace("parentbased_", ""), ratio)
  return sampler.startsWith("parentbased_") ? new ParentBasedSampler({ root }) : root
}

function rootSamplerOf(name: string, ratio: number): Sampler {
  if (name === "always_off") return new AlwaysOffSampler()
  return name === "traceidratio" ? new TraceIdRatioBasedSampler(ratio) : new AlwaysOnSampler()
}

/** BullMQ also tells of each look for a job, and for stalled ones: nothing that is about an order. */
function withoutHousekeeping(sampler: Sampler): Sampler {
  return {
    shouldSample(parent, traceId, name, kind, attributes, links) {
      const isHousekeeping =
        kind === SpanKind.INTERNAL &&
        (name.startsWith("getNextJob") || trace.getSpanContext(parent) === undefined)
      return isHousekeeping
        ? { decision: SamplingDecision.NOT_RECORD }
        : sampler.shouldSample(parent, traceId, name, kind, attributes, links)
    },
    toString: () => sampler.toString(),
  }
}
