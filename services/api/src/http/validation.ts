import { Ajv, type ValidateFunction } from "ajv"
import type { FastifyInstance } from "fastify"
import type { FastifyRouteSchemaDef } from "fastify/types/schema.js"
import { Type } from "typebox"

interface QuerySchema {
  properties?: Record<string, { type?: string }>
}

/** A parameter that every route takes and none reads: with a new value a cached answer is not used. */
const CACHE_BUSTER = "_"

/**
 * Only what the schemas say is accepted: in a body, "10" is not 10. Nothing is coerced: Ajv would
 * take "Infinity", "0x10" and " 5" for numbers, and `minimum` and `maximum` do not hold for what is
 * not finite.
 */
export function buildValidator() {
  const ajv = new Ajv({
    strictNumbers: true,
    useDefaults: true,
    verbose: true,
    // Whoever wrote a request wants to know of everything that is wrong with it.
    allErrors: true,
    // TypeBox made them; compiling JSON Schema's own schema would take as long as all of them.
    validateSchema: false,
  })
  return (route: unknown) => {
    const { schema, httpPart } = route as FastifyRouteSchemaDef<object>
    return httpPart === "querystring" ? queryValidator(ajv, schema) : ajv.compile(schema)
  }
}

/** Makes every route that is registered after it take a query: without a schema, an empty one. */
export function refuseUnknownParameters(app: FastifyInstance): void {
  app.addHook("onRoute", (route) => {
    route.schema = { querystring: Type.Object({}), ...route.schema }
  })
}

function queryValidator(ajv: Ajv, schema: QuerySchema): ValidateFunction {
  const validate = ajv.compile({
    ...schema,
    properties: { [CACHE_BUSTER]: {}, ...schema.properties },
    additionalProperties: false,
  })
  const readAndValidate = (query: Record<string, unknown>): boolean => {
    readQuery(schema, query)
    const isValid = validate(query)
    readAndValidate.errors = validate.errors
    return isValid
  }
  readAndValidate.errors = validate.errors
  // Fastify takes this as well; its types have only what Ajv compiles.
  return readAndValidate as unknown as ValidateFunction
}

/** More digits might not be exact as a number, and more still would be infinite. */
const INTEGER = /^[0-9]{1,15}$/

/**
 * In a query everything is text. Reads an integer or a boolean where the schema wants one; text of
 * any other form stays text, which the schema then refuses.
 */
function readQuery({ properties = {} }: QuerySchema, query: Record<string, unknown>): void {
  for (const [name, { type }] of Object.entries(properties)) {
    const text = query[name]
    if (typeof text !== "string") continue
    if (type === "integer" && INTEGER.test(text)) query[name] = Number(text)
    if (type === "boolean" && (text === "true" || text === "false")) query[name] = text === "true"
  }
}
