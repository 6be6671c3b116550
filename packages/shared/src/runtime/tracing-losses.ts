import {
  type Attributes,
  createNoopMeter,
  type Meter,
  type MeterProvider,
} from "@opentelemetry/api"
import { Counter } from "prom-client"

/** What OpenTelemetry's conventions call the counter of spans that a queue of spans is done with. */
const PROCESSED = "otel.sdk.processor.span.processed"

/** A place for metrics that keeps, of those of a queue of spans, how many were lost. */
export function countLostSpans(): MeterProvider {
  const lost = new Counter({
    name: "gofermart_spans_lost_total",
    help: "Spans of traces that no collector took, or that were too many to wait for one.",
  })
  // Of its own: the API's is everybody's.
  const meter = Object.create(createNoopMeter()) as Meter
  meter.createCounter = (name) => ({
    add(count: number, attributes: Attributes = {}) {
      if (name === PROCESSED && "error.type" in attributes) lost.inc(count)
    },
  })
  return { getMeter: () => meter }
}
