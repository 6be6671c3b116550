import { SECONDS_BUCKETS } from "@gofermart/shared/runtime/metrics.ts"
import type { FastifyInstance } from "fastify"
import { Histogram } from "prom-client"

const requestTime = new Histogram({
  name: "gofermart_http_request_duration_seconds",
  help: "From a request's head to the end of its answer; `none` is no route of this API.",
  labelNames: ["method", "route", "status"],
  buckets: SECONDS_BUCKETS,
})

/** Measures every request, and logs it at the debug level. */
export function measureRequests(app: FastifyInstance): void {
  app.addHook("onResponse", (request, reply, done) => {
    const { method, routeOptions } = request
    const { statusCode, elapsedTime } = reply
    // What a client makes up must not become a metric of its own.
    const route = routeOptions.url ?? "none"
    requestTime.observe({ method, route, status: statusCode }, elapsedTime / 1_000)
    request.log.debug({ method, route, statusCode, elapsedTime }, "answered")
    done()
  })
}
