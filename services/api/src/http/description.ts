import fastifySwagger from "@fastify/swagger"
import type { FastifyInstance } from "fastify"
import { ProblemSchema } from "./responses.ts"

/** The two ways in which a request may carry its token. */
export const TOKEN_NEEDED = [{ bearer: [] }, { cookie: [] }]

/**
 * Describes every route that is registered after it, from the schemas that validate it, as OpenAPI
 * 3.1.
 */
export async function describeApi(app: FastifyInstance): Promise<void> {
  app.addSchema(ProblemSchema)
  await app.register(fastifySwagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Gofermart",
        version: "1.0.0",
        description:
          "A loyalty-points system: customers hand in the numbers of their orders and earn points, " +
          "and points pay for orders. Amounts have at most two decimals.\n\n" +
          "A number in a query is written in digits alone, a choice as `true` or `false`. A parameter, or a " +
          "header that holds one value, is sent once, and so is each key of a JSON object: two of them are " +
          "a `malformed_request`, also when they are equal. So is a query parameter that an operation does " +
          "not know, but for `_`, which means nothing and may be repeated.\n\n" +
          "Whatever takes `GET` takes `HEAD` too: the same status and headers, and no body.\n\n" +
          "Every refusal is a Problem (RFC 9457) with a stable `code`. Where it is about parts of the " +
          "request, `errors` names all of them.",
      },
      tags: [
        { name: "account", description: "Who you are" },
        { name: "orders", description: "What you bought, and what it earned" },
        { name: "points", description: "What you have, and what became of it" },
        { name: "health" },
      ],
      components: {
        securitySchemes: {
          bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
          cookie: {
            type: "apiKey",
            in: "cookie",
            name: "gofermart",
            description: "set by register and login; `__Host-gofermart` on https",
          },
        },
      },
    },
    refResolver: { buildLocalReference: (schema, _base, _fragment, i) => nameOf(schema["$id"], i) },
  })
}

function nameOf(id: unknown, i: number): string {
  return typeof id === "string" ? id : `Schema${i}`
}
