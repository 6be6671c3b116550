import { Ajv } from "ajv"
import type { FastifyRouteSchemaDef } from "fastify/types/schema.js"

/**
 * Only what the schemas say is accepted: in a body, "10" is not 10. In a query everything is text,
 * so there it is read as what the schema wants.
 */
export const validation = {
  compilersFactory: {
    // A compiler that is set on the instance would be replaced where schemas are added.
    buildValidator: () => {
      const exact = new Ajv({ coerceTypes: false, useDefaults: true })
      const fromText = new Ajv({ coerceTypes: true, useDefaults: true })
      return (route: unknown) => {
        const { schema, httpPart } = route as FastifyRouteSchemaDef<object>
        return (httpPart === "querystring" ? fromText : exact).compile(schema)
      }
    },
  },
}
