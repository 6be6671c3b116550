import { shownName } from "@gofermart/shared/http/shown-name.ts"
import type { ErrorObject } from "ajv"
import type { FastifyError, FastifyRequest } from "fastify"

/**
 * What is wrong with one part of a request, in a sentence (RFC 9457, section 3.1). A part of the body is
 * named by a JSON Pointer in the form of a URI fragment (RFC 6901, section 6).
 */
export type Defect = { detail: string } & (
  | { pointer: string }
  | { parameter: string }
  | { header: string }
)

/** Of one request; more would tell nobody more. */
const DEFECTS_TOLD_MAX = 20

const PARTS = ["params", "querystring", "headers", "body"] as const
type Part = (typeof PARTS)[number]

/** Everything that the schemas of its route find wrong with a request; `first`: what is known of it. */
export function findDefects(request: FastifyRequest, first: FastifyError): Defect[] {
  const defects = PARTS.flatMap((part) => {
    const isKnown = part === first.validationContext
    const faults = isKnown ? (first.validation as ErrorObject[]) : faultsOf(request, part)
    return faults.map((fault) => describe(part, fault))
  })
  // A length and a form that are both wrong are described once.
  const different = new Map(defects.map((defect) => [JSON.stringify(defect), defect]))
  return [...different.values()].slice(0, DEFECTS_TOLD_MAX)
}

/** Fastify stops at the first part with a fault. */
function faultsOf(request: FastifyRequest, part: Part): ErrorObject[] {
  const validate = request.getValidationFunction(part)
  const given = part === "querystring" ? request.query : request[part]
  const isValid = validate === undefined || validate(given ?? null)
  return isValid ? [] : ((validate.errors ?? []) as ErrorObject[])
}

function describe(part: Part, { instancePath, keyword, params, ...fault }: ErrorObject): Defect {
  const schema = (fault.parentSchema ?? {}) as Wanted
  const at = (child: string) => `${instancePath}/${child}`
  switch (keyword) {
    case "required":
      return defectAt(part, at(String(params["missingProperty"])), (what) => `${what} is missing`)
    case "additionalProperties": {
      const name = shownName(String(params["additionalProperty"]))
      return defectAt(part, at(name), (what) => `${what} is not known here`)
    }
    default:
      return defectAt(part, instancePath, (what) =>
        part === "querystring" && Array.isArray(fault.data)
          ? `${what} may be sent once, and was sent more often`
          : `${what} must be ${wanted(schema)}`,
      )
  }
}

/** `path`: of the place within the part, as a JSON Pointer. */
function defectAt(part: Part, path: string, say: (what: string) => string): Defect {
  const name = path.slice(1)
  switch (part) {
    case "params":
      return { detail: `The ${say(`path parameter ${name}`)}.`, parameter: name }
    case "querystring":
      return { detail: `The ${say(`query parameter ${name}`)}.`, parameter: name }
    case "headers":
      return { detail: `The ${say(`header ${name}`)}.`, header: name }
    case "body": {
      const what = path === "" ? "body" : `field ${name.replaceAll("/", ".")}`
      return { detail: `The ${say(what)}.`, pointer: `#${encodeURI(path)}` }
    }
  }
}

interface Wanted {
  type?: string
  enum?: unknown[]
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  pattern?: string
  description?: string
}

/** What needs no more words than its type. */
const BY_TYPE: Record<string, string> = {
  boolean: "true or false",
  number: "a number",
  object: "a JSON object",
  array: "a list",
}

function wanted(schema: Wanted): string {
  const { type = "", minimum, maximum, minLength = 0, maxLength, pattern, description } = schema
  // A pattern says nothing to most people.
  if (pattern !== undefined && description !== undefined) return description
  if (schema.enum !== undefined) return `one of ${schema.enum.join(", ")}`
  if (type === "integer") {
    const isBounded = minimum !== undefined && maximum !== undefined
    return `a whole number${isBounded ? ` from ${minimum} to ${maximum}, in digits` : ""}`
  }
  if (type === "string") {
    if (maxLength !== undefined) return `text of ${minLength} to ${maxLength} characters`
    return minLength === 0 ? "text" : "text, and not empty"
  }
  return BY_TYPE[type] ?? "as it is described"
}
