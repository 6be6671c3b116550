import { validateHeaderName, validateHeaderValue } from "node:http"
import { Type } from "typebox"
import { textSetting } from "./env.ts"
import { whatIsWrongInPemFile } from "./pem-file.ts"
import { setting } from "./setting.ts"

export const endpoint = Type.Optional(
  textSetting({ description: "a URL http://… or https://…" }, whatIsWrongInEndpoint),
)
/** The path is put after it. */
export const endpointWithoutPath = Type.Optional(
  textSetting({ description: "a URL http://… or https://… without a query" }, (given) => {
    return whatIsWrongInEndpoint(given) ?? (/[?#]/.test(given) ? "it has one" : undefined)
  }),
)
export const DEFAULT_PROTOCOL = "http/json"
/** OpenTelemetry's third, grpc, would need an HTTP/2 client of its own. */
export const protocol = setting(
  Type.Optional(
    Type.Enum(["http/json", "http/protobuf"], { description: "http/json or http/protobuf" }),
  ),
  { purpose: "the encoding of traces that are sent", fallback: DEFAULT_PROTOCOL },
)
/** What follows a semicolon would be left out without a word. */
const HEADER = /^\s*([^=\s;]+)\s*=\s*([^;]*?)\s*$/
/** They say how long the traces are, which is the exporter's to say. */
const FRAMING_HEADERS = ["content-length", "transfer-encoding"]
const ATTRIBUTE = /^\s*([^=\s]+)\s*=\s*([^=]*?)\s*$/

export const headers = setting(
  Type.Optional(
    textSetting(
      { description: "headers as name=value,name=value, with % before what stands for itself" },
      (given) => whatIsWrongInPairs(given, HEADER, isHeader),
    ),
  ),
  { purpose: "headers for the collector, such as its token", fallback: "none", secret: true },
)
export const DEFAULT_TIMEOUT_MS = 10_000
export const timeout = setting(
  Type.Optional(
    textSetting({ description: "a whole number of milliseconds above 0" }, (given) =>
      /^0*[1-9][0-9]{0,8}$/.test(given) ? undefined : "it is not",
    ),
  ),
  { purpose: "the timeout for sending traces", fallback: String(DEFAULT_TIMEOUT_MS) },
)
export const compression = setting(
  Type.Optional(Type.Enum(["none", "gzip"], { description: "none or gzip" })),
  { purpose: "the compression of traces that are sent", fallback: "none" },
)

export const attributes = setting(
  Type.Optional(
    textSetting(
      { description: "attributes as name=value,name=value, with % before what stands for itself" },
      (given) => whatIsWrongInPairs(given, ATTRIBUTE, isAttribute),
    ),
  ),
  { purpose: "attributes of the process in traces", fallback: "none" },
)

/** Of a name or a value, decoded; for a longer one the SDK throws all attributes away. */
const ATTRIBUTE_LENGTH_MAX = 255

function whatIsWrongInEndpoint(given: string): string | undefined {
  if (!/^https?:\/\//i.test(given)) return "it does not begin so"
  return URL.canParse(given) ? undefined : "it is no URL"
}

/** The path of a file with something in PEM. */
export function pemFile(holds: "certificate" | "private key", purpose: string) {
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
  return value !== "" && !FRAMING_HEADERS.includes(name.toLowerCase())
}

function isAttribute(name: string, value: string): boolean {
  return Math.max(name.length, value.length) <= ATTRIBUTE_LENGTH_MAX
}
