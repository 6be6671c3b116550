import { hexIn, messagesIn, type ProtobufMessage, readProtobuf, textIn } from "./protobuf.ts"

export interface CollectedSpan {
  service: string
  name: string
  /** OpenTelemetry's number of it: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind: number
  traceId: string
  spanId: string
  parentSpanId: string | undefined
  attributes: Record<string, unknown>
}

interface ExportBody {
  resourceSpans: {
    resource: { attributes: Attribute[] }
    scopeSpans: {
      spans: (Omit<CollectedSpan, "service" | "attributes"> & { attributes?: Attribute[] })[]
    }[]
  }[]
}

interface Attribute {
  key: string
  value: Record<string, unknown>
}

/** Reads OTLP's ExportTraceServiceRequest in JSON. */
export function spansInJson(body: Buffer): CollectedSpan[] {
  const { resourceSpans } = JSON.parse(body.toString()) as ExportBody
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(valuesOf(resource.attributes)["service.name"])
    return scopeSpans
      .flatMap(({ spans }) => spans)
      .map((span) => ({ ...span, service, attributes: valuesOf(span.attributes ?? []) }))
  })
}

/** An attribute's value is an object whose one field names its type. */
function valuesOf(attributes: Attribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
}

/** Reads the same in protobuf, by the numbers of opentelemetry/proto/trace/v1/trace.proto. */
export function spansInProtobuf(body: Buffer): CollectedSpan[] {
  return messagesIn(readProtobuf(body), 1).flatMap((resourceSpans) => {
    const [resource = new Map() as ProtobufMessage] = messagesIn(resourceSpans, 1)
    const service = String(attributesIn(resource, 1)["service.name"])
    return messagesIn(resourceSpans, 2)
      .flatMap((scopeSpans) => messagesIn(scopeSpans, 2))
      .map((span) => ({
        service,
        traceId: hexIn(span, 1) ?? "",
        spanId: hexIn(span, 2) ?? "",
        parentSpanId: hexIn(span, 4),
        name: textIn(span, 5) ?? "",
        kind: Number(span.get(6)?.[0]),
        attributes: attributesIn(span, 9),
      }))
  })
}

function attributesIn(message: ProtobufMessage, field: number): Record<string, unknown> {
  return Object.fromEntries(
    messagesIn(message, field).map((attribute) => {
      const [value = new Map() as ProtobufMessage] = messagesIn(attribute, 2)
      return [textIn(attribute, 1) ?? "", valueIn(value)]
    }),
  )
}

/** An AnyValue: a text, a boolean, a whole number, a floating one, or what no span here has. */
function valueIn(value: ProtobufMessage): unknown {
  const [[field, [given]] = [0, []]] = [...value]
  if (field === 1) return textIn(value, 1)
  if (field === 2) return given === 1n
  if (field === 3) return Number(given)
  if (field === 4) return Buffer.from(new BigUint64Array([given as bigint]).buffer).readDoubleLE()
  throw new Error(`a value of the kind ${field}`)
}
