/** A JSON number as it was written: a double could no longer be rounded exactly. */
export class NumberSource {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** Before JSON a receiver may ignore it (RFC 8259, section 8.1), as our own API does. */
const BYTE_ORDER_MARK = /^\ufeff/

/** Parses a JSON object; undefined when the body is none. */
export function parseKeepingNumbers(body: string): Record<string, unknown> | undefined {
  try {
    // `context.source` is the text of a primitive: https://tc39.es/proposal-json-parse-with-source/
    const text = body.replace(BYTE_ORDER_MARK, "")
    const parsed: unknown = JSON.parse(text, (_key, value, context?: { source?: string }) =>
      typeof value === "number" ? new NumberSource(context?.source ?? "") : value,
    )
    const isObject =
      typeof parsed === "object" &&
      parsed !== null &&
      !Array.isArray(parsed) &&
      !(parsed instanceof NumberSource)
    return isObject ? (parsed as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
