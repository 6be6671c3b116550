import { Ajv2020 } from "ajv/dist/2020.js"
import formats from "ajv-formats"
import type { Described, OpenApi, Operation } from "./openapi.ts"

/** Uploads answer with a body only when the client is to wait for the result. */
const BODY_OPTIONAL = ["uploadOrder"]

/** What any answer may have, as HTTP itself and a page's safety need it. */
const HEADERS_OF_ANY_ANSWER: ReadonlySet<string> = new Set([
  "cache-control",
  "connection",
  "content-encoding",
  "content-length",
  "content-security-policy",
  "content-type",
  "cross-origin-opener-policy",
  "cross-origin-resource-policy",
  "date",
  "keep-alive",
  "origin-agent-cluster",
  "referrer-policy",
  // Of a proxy in front.
  "server",
  "strict-transport-security",
  "transfer-encoding",
  "vary",
  "x-accel-buffering",
  "x-content-type-options",
  "x-dns-prefetch-control",
  "x-download-options",
  "x-frame-options",
  "x-permitted-cross-domain-policies",
  "x-request-id",
  "x-xss-protection",
])

/** Where an operation is in the description. */
export interface Place {
  path: string
  verb: string
}

export interface SeenAnswer {
  status: number
  headers: Headers
  /** Without its codings; empty for a HEAD. */
  body: string
  isHead: boolean
}

/** What the API says of itself, to compare its answers with. */
export class Description {
  readonly #openapi: OpenApi
  readonly #ajv = new Ajv2020({ strict: false, strictNumbers: true })
  readonly #paths: { path: string; matches: RegExp }[]

  constructor(openapi: OpenApi) {
    this.#openapi = openapi
    formats.default(this.#ajv)
    this.#ajv.addSchema(openapi, "openapi")
    this.#paths = Object.keys(openapi.paths).map((path) => ({
      path,
      matches: new RegExp(`^${path.replaceAll(/\{\w+\}/g, "[^/]*")}$`),
    }))
  }

  /** The operations at a path, of all methods; none where nothing is described. */
  placesAt(pathname: string): Place[] {
    const path = this.#paths.find(({ matches }) => matches.test(pathname))?.path
    if (path === undefined) return []
    return Object.keys(this.#openapi.paths[path] ?? {}).map((verb) => ({ path, verb }))
  }

  operation({ path, verb }: Place): Operation | undefined {
    return this.#openapi.paths[path]?.[verb]
  }

  /** Says how an answer differs from those that the operation is described with; undefined if it does not. */
  complaint(place: Place, answer: SeenAnswer): string | undefined {
    const { status, headers, body, isHead } = answer
    const operation = this.operation(place)
    const described = operation?.responses[status]
    if (operation === undefined || described === undefined) return "which is not described"
    const ofHeaders = complaintAboutHeaders(described, answer)
    if (ofHeaders !== undefined) return ofHeaders
    if (body === "") {
      const isRight =
        isHead || described.content === undefined || BODY_OPTIONAL.includes(operation.operationId)
      return isRight ? undefined : "without its body"
    }
    const type = headers.get("content-type")?.split(";", 1)[0] ?? ""
    if (described.content?.[type] === undefined) return `as ${type}, which is not described`
    if (!type.endsWith("json")) return undefined
    const steps = ["paths", place.path, place.verb, "responses", `${status}`, "content", type]
    return this.#complaintAboutJson([...steps, "schema"], body)
  }

  /** The same of JSON and a schema among the components. */
  complaintAboutComponent(name: string, json: string): string | undefined {
    return this.#complaintAboutJson(["components", "schemas", name], json)
  }

  /** Whether an operation takes this as its body. */
  takesBody({ path, verb }: Place, type: string, value: unknown): boolean {
    const steps = ["paths", path, verb, "requestBody", "content", type, "schema"]
    return this.#validator(steps)?.(value) === true
  }

  #complaintAboutJson(steps: string[], json: string): string | undefined {
    const validate = this.#validator(steps)
    if (validate?.(parse(json)) === true) return undefined
    return `unlike its schema (${this.#ajv.errorsText(validate?.errors)})`
  }

  #validator(steps: string[]) {
    return this.#ajv.getSchema(`openapi#/${steps.map(escape).join("/")}`)
  }
}

function complaintAboutHeaders(
  { headers: described = {} }: Described,
  { status, headers }: SeenAnswer,
): string | undefined {
  if (!headers.has("x-request-id")) return "without x-request-id"
  // The headers of other answers depend on the case.
  const needed = [405, 429, 503].includes(status) ? Object.keys(described) : []
  const missing = needed.filter((name) => !headers.has(name))
  if (missing.length > 0) return `without ${missing.join(", ")}`
  for (const [name, value] of headers) {
    const header = described[name]
    if (header === undefined && !HEADERS_OF_ANY_ANSWER.has(name)) {
      return `with ${name}, which is not described`
    }
    if (header?.schema?.type === "integer" && !/^\d+$/.test(value)) {
      return `with ${name}: ${value}, which is no whole number`
    }
  }
  return undefined
}

/** Undefined fits no schema of ours. */
function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

function escape(part: string): string {
  return encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"))
}
