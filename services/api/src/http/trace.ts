import {
  isTracing,
  markFailed,
  type OpenSpan,
  startSpan,
  traceOf,
} from "@gofermart/shared/runtime/tracing.ts"
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify"

declare module "fastify" {
  interface FastifyRequest {
    /** Undefined while traces are off. */
    span?: OpenSpan | undefined
  }
}

/** Asked every few seconds, by machines. */
const PROBES = /^\/(healthz|readyz)$/

/**
 * Makes a span of every request, as part of the trace that it names, if any. The span is handed on
 * by hand: what a request starts is soon part of a batch of many requests.
 */
export function traceRequests(app: FastifyInstance): void {
  if (!isTracing()) return
  app.decorateRequest("span", undefined)
  app.addHook("onRequest", (request, reply, done) => {
    const { method, routeOptions, headers } = request
    // What a client makes up must not become a name of its own, and may be a secret.
    const route = routeOptions.url ?? "none"
    if (!PROBES.test(route)) {
      request.span = startSpan({
        name: `${method} ${route}`,
        kind: "SERVER",
        parent: traceOf(headers),
        attributes: {
          "http.request.method": method,
          "http.route": route,
          "gofermart.request_id": request.id,
        },
      })
      // Also when the client is gone before its answer, of which there is no hook.
      reply.raw.once("close", () => endRequest(request, reply))
    }
    done()
  })
}

function endRequest({ span: open }: FastifyRequest, { raw }: FastifyReply): void {
  if (open === undefined) return
  if (raw.writableFinished) open.span.setAttribute("http.response.status_code", raw.statusCode)
  else markFailed(open.span, "client_gone")
  if (raw.statusCode >= 500) markFailed(open.span, raw.statusCode)
  open.span.end()
}
