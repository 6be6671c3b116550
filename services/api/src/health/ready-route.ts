import { type Readiness, ReadinessSchema } from "@gofermart/shared/readiness/readiness.ts"
import type { FastifyInstance } from "fastify"
import { PROBE_PROBLEMS } from "../http/responses.ts"

const schema = {
  operationId: "isReady",
  summary: "The database can be written",
  description:
    "Each instance asks the database and the queue once a second, whoever calls. Three failures in a row make it not ready, one success ready. A queue that cannot be written is `degraded` and does not count: uploads go on without it. A process that is about to end is not ready, and serves requests for another while.",
  tags: ["health"],
  response: { 200: ReadinessSchema, 503: ReadinessSchema, ...PROBE_PROBLEMS },
}

/** A queue that cannot be written does not count: uploads go on without it. */
export function readyRoute(app: FastifyInstance, readiness: Readiness): void {
  app.get("/readyz", { schema }, async (_request, reply) => {
    const ready = await readiness.describe()
    const isReady = ready.database === "ok" && ready.stopping !== true
    return reply.code(isReady ? 200 : 503).send(ready)
  })
}
