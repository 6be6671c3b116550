import { timingSafeEqual } from "node:crypto"
import fastifyBasicAuth from "@fastify/basic-auth"
import Fastify, { type FastifyInstance } from "fastify"
import { register } from "prom-client"
import { ORDER_NUMBER_LENGTH_MAX } from "../domain/order-number.ts"
import { measureProcess } from "../runtime/metrics.ts"
import { isCrossSite, isForeignName } from "./cross-site.ts"
import type { Operators } from "./settings.ts"

declare module "fastify" {
  interface FastifyContextConfig {
    /** For whoever can reach the operators' server, without credentials. */
    isOpen?: boolean
  }
}

/**
 * Builds a service's own server for its operators, with its metrics at `/metrics`; the service adds
 * what else it shows. Nothing on it is answered without the credentials that were set, but a route whose
 * `config` has `isOpen`.
 *
 * A page of another site gets no action out of a browser that is logged in; and while there are no
 * credentials, it does not get here at all by a name that was made to point to this machine.
 */
export async function buildOperatorsApp({ login, password }: Operators): Promise<FastifyInstance> {
  measureProcess()
  const app = Fastify({
    logger: false,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: ORDER_NUMBER_LENGTH_MAX },
  })
  if (password !== undefined) {
    await app.register(fastifyBasicAuth, {
      authenticate: { realm: "gofermart operators" },
      validate: async (givenLogin, givenPassword) => {
        const matches = equals(givenLogin, login) && equals(givenPassword, password)
        if (!matches) throw new Error("wrong credentials")
      },
    })
    app.addHook("onRequest", (request, reply, done) => {
      if (request.routeOptions.config.isOpen === true) return done()
      return app.basicAuth(request, reply, done)
    })
  }
  app.addHook("onRequest", async (request, reply) => {
    const isGuarded = password !== undefined
    if (isCrossSite(request) || (!isGuarded && isForeignName(request))) {
      return reply.code(403).send({ error: "Another site asked for this." })
    }
    return undefined
  })
  app.get("/metrics", async (_request, reply) => {
    reply.type(register.contentType)
    return register.metrics()
  })
  return app
}

function equals(given: string, expected: string): boolean {
  const a = Buffer.from(given)
  const b = Buffer.from(expected)
  return a.length === b.length && timingSafeEqual(a, b)
}
