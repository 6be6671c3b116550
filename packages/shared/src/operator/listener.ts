import type { Duplex } from "node:stream"
import Fastify, { type FastifyInstance } from "fastify"
import { register } from "prom-client"
import { ORDER_NUMBER_LENGTH_MAX } from "../domain/order-number.ts"
import { readClientAddresses } from "../http/client-address.ts"
import {
  answerLast,
  lingerWhenClosing,
  refuseNoHttp,
  rememberRequests,
} from "../http/last-answer.ts"
import { takeJson } from "../http/json-body.ts"
import { parseQuery } from "../http/parse-query.ts"
import { refuseBadHttp, refuseTunnels } from "../http/protocol.ts"
import { refuseRepeatedHeaders } from "../http/repeated-headers.ts"
import { trustIn } from "../http/trusted-proxies.ts"
import { addSecurityHeaders } from "../http/security-headers.ts"
import { measureProcess } from "../runtime/metrics.ts"
import type { Logger } from "../runtime/logger.ts"
import { requireOperator } from "./authentication.ts"
import { isCrossSite, isForeignName } from "./cross-site.ts"
import type { Operators } from "./settings.ts"

declare module "fastify" {
  interface FastifyRequest {
    /** The operator who asks; undefined while no credentials are set. */
    operator?: string | undefined
  }
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
export async function buildOperatorApp(
  { login, password, trustedProxies }: Operators,
  logger: Logger,
): Promise<FastifyInstance> {
  measureProcess()
  const app = Fastify({
    logger: false,
    forceCloseConnections: true,
    // What is sent counts as it was sent: the usual coercion takes "Infinity" for a number.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
    routerOptions: {
      maxParamLength: ORDER_NUMBER_LENGTH_MAX,
      querystringParser: parseQuery,
    },
    // We refuse its absence, in words.
    http: { requireHostHeader: false },
    clientErrorHandler: refuseNoHttp((socket, code) =>
      refuseOnSocket(socket, REFUSALS[code] ?? NO_HTTP),
    ),
  })
  rememberRequests(app.server)
  lingerWhenClosing(app.server)
  app.server.on("checkExpectation", (request, response) => app.routing(request, response))
  addSecurityHeaders(app)
  takeJson(app)
  refuseTunnels(app, (socket, error) => refuseOnSocket(socket, { status: 400, error }))
  refuseRepeatedHeaders(app, (reply, error) => reply.code(400).send({ error }))
  refuseBadHttp(app, (reply, status, error) => reply.code(status).send({ error }))
  app.decorateRequest("operator", undefined)
  // Of what proxies forward only the address counts: see docs/decisions/0035.
  readClientAddresses(app, trustIn(trustedProxies), logger)
  if (password !== undefined) await requireOperator(app, { login, password }, logger)
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

interface Refusal {
  status: number
  error: string
}

const REFUSALS: Record<string, Refusal> = {
  HPE_HEADER_OVERFLOW: { status: 431, error: "The headers are too large." },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, error: "The request did not arrive in time." },
}
const NO_HTTP: Refusal = { status: 400, error: "This is no HTTP." }

function refuseOnSocket(socket: Duplex, { status, error }: Refusal): void {
  answerLast(socket, { status, type: "application/json", body: JSON.stringify({ error }) })
}
