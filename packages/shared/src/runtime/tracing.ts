import {
  type Attributes,
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api"
import type { Telemetry } from "bullmq"
import type { Logger } from "./logger.ts"
import type { Shutdown } from "./shutdown.ts"
import type { Tracing } from "./tracing-sdk.ts"
import type { TracingConfig } from "./tracing-settings.ts"

/** Which trace something belongs to, and to which span in it. */
export type TraceContext = Context

/** Undefined while traces are off. Of the whole process, as OpenTelemetry's own parts are. */
let tracing: Tracing | undefined

/**
 * Turns traces on if they are configured; without it every function here is one comparison. Of
 * variables that are not usable it says so once, and takes them out of the environment: the exporter
 * would read them by itself, and repeat their values in its complaints.
 */
export async function startTracing(
  config: TracingConfig,
  logger: Logger,
  shutdown: Shutdown,
): Promise<void> {
  for (const reason of config.ignored) logger.warn({ reason }, "a setting of traces is ignored")
  for (const [name, text] of Object.entries(config.environment)) {
    if (text === undefined) delete process.env[name]
    else process.env[name] = text
  }
  if (config.sdk === undefined) return
  const { startSdk } = await import("./tracing-sdk.ts")
  const sdk = startSdk(config.sdk, logger)
  tracing = sdk
  shutdown.onClose("traces", () => sdk.close())
}

export function isTracing(): boolean {
  return tracing !== undefined
}

/** What BullMQ continues a job's trace with. */
export function queueTelemetry(): Telemetry | undefined {
  return tracing?.telemetry
}

export interface SpanStart {
  name: string
  kind: keyof typeof SpanKind
  /** Without it the span that is active where it starts. */
  parent?: TraceContext | undefined
  attributes: Attributes
}

export interface OpenSpan {
  span: Span
  /** For what happens in it. */
  context: TraceContext
}

/** Starts a span; undefined while traces are off. */
export function startSpan({ name, kind, parent, attributes }: SpanStart): OpenSpan | undefined {
  if (tracing === undefined) return undefined
  const within = parent ?? context.active()
  const span = tracing.tracer.startSpan(name, { kind: SpanKind[kind], attributes }, within)
  return { span, context: trace.setSpan(within, span) }
}

/**
 * Runs `work` in a span, of which `tell` says what came of it. While traces are off it is `work()`
 * and nothing else, not even one more promise.
 */
export function inSpan<Result>(
  start: SpanStart,
  work: (within?: TraceContext) => Promise<Result>,
  tell: (result: Result) => Attributes,
): Promise<Result> {
  const open = startSpan(start)
  return open === undefined ? work() : endAfter(open.span, work(open.context), tell)
}

async function endAfter<Result>(
  span: Span,
  work: Promise<Result>,
  tell: (result: Result) => Attributes,
): Promise<Result> {
  try {
    const result = await work
    span.setAttributes(tell(result))
    return result
  } catch (error) {
    markFailed(span, error)
    throw error
  } finally {
    span.end()
  }
}

/** `error` is an error, or one in a word. Its message stays untold: it may say too much. */
export function markFailed(span: Span, error: unknown): void {
  span.setAttribute("error.type", error instanceof Error ? error.name : String(error))
  span.setStatus({ code: SpanStatusCode.ERROR })
}

/** Tells more of the span that is active, such as the one BullMQ has begun for a job. */
export function describeActiveSpan(attributes: Attributes): void {
  if (tracing !== undefined) trace.getActiveSpan()?.setAttributes(attributes)
}

/** The trace that a request says it is part of, or none. */
export function traceOf(headers: Record<string, unknown>): TraceContext {
  return propagation.extract(ROOT_CONTEXT, headers)
}

/** The headers, of W3C Trace Context, that make a request part of this trace. */
export function traceHeaders(of: TraceContext): Record<string, string> {
  const headers: Record<string, string> = {}
  propagation.inject(of, headers)
  return headers
}
