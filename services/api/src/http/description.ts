import fastifySwagger from "@fastify/swagger"
import fastifySwaggerUi from "@fastify/swagger-ui"
import type { FastifyInstance } from "fastify"
import { problemOf } from "./problems.ts"
import { ProblemSchema } from "./responses.ts"

/** The two ways in which a request may carry its token. */
export const TOKEN_NEEDED = [{ bearer: [] }, { cookie: [] }]

/** Refusals that come up before an operation is known. */
const OUTSIDE_OPERATIONS = (
  ["not_found", "method_not_allowed", "request_timeout", "headers_too_large"] as const
).map((code) => `${problemOf(code).status} \`${code}\``)

/** Nothing from elsewhere; the page's styles are partly in the page. */
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; " +
  "font-src 'self'; style-src 'self' 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"

/**
 * Describes every route that is registered after it, from the schemas that validate it, as OpenAPI
 * 3.1 at `/openapi.json`, and on a page at `/docs` that loads nothing from elsewhere.
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
          "Every refusal is a Problem (RFC 9457) with a stable `code`. Beside those of the operations " +
          `there are, for what is no request to one of them: ${OUTSIDE_OPERATIONS.join(", ")}.`,
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
  await app.register(fastifySwaggerUi, {
    routePrefix: "/docs",
    staticCSP: PAGE_POLICY,
    theme: { title: "Gofermart API" },
    uiConfig: { layout: "BaseLayout", tryItOutEnabled: true, displayRequestDuration: true },
  })
  app.get("/openapi.json", { schema: { hide: true } }, () => app.swagger())
}

function nameOf(id: unknown, i: number): string {
  return typeof id === "string" ? id : `Schema${i}`
}
