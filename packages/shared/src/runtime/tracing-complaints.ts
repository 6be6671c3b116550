import { diag, DiagLogLevel } from "@opentelemetry/api"
import { setGlobalErrorHandler } from "@opentelemetry/core"
import { atMostEvery } from "./at-most-every.ts"
import type { Logger } from "./logger.ts"
import { reasonOf } from "./reason-of.ts"

/** A collector that is away is told of no more often. */
const COMPLAINT_INTERVAL_MS = 60_000
/** A part of it may be the collector's own words. */
const REASON_LENGTH_MAX = 300

/**
 * Has OpenTelemetry's complaints, of which a collector that is away causes one a batch, written to the
 * log now and then; gives what writes another one.
 */
export function complainOfTraces(logger: Logger): (...said: unknown[]) => void {
  const isTime = atMostEvery(COMPLAINT_INTERVAL_MS)
  const complain = (...said: unknown[]) => {
    if (!isTime()) return
    const reason = said.flatMap(inWords).join(" ").slice(0, REASON_LENGTH_MAX)
    logger.warn({ reason }, "traces are not exported")
  }
  diag.setLogger(
    { error: complain, warn: complain, info() {}, debug() {}, verbose() {} },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  )
  setGlobalErrorHandler(complain)
  return complain
}

/** What is no error and no text, such as an answer's bytes, is for a debugger. */
function inWords(said: unknown): string[] {
  if (typeof said === "string") return [said]
  return said instanceof Error ? [reasonOfExport(said)] : []
}

/** The exporter's errors about an answer name its status in a field, or only what kind it was of. */
function reasonOfExport(error: Error): string {
  if (error.name !== "OTLPExporterError") return reasonOf(error)
  const { code } = error as { code?: number }
  return code === undefined
    ? "the collector answered 429, 502, 503 or 504"
    : `the collector answered ${code} ${error.message}`
}
