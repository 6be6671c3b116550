import type { FastifyInstance } from "fastify"
import { Type } from "typebox"
import { PROBE_PROBLEMS } from "../http/responses.ts"

const schema = {
  operationId: "isAlive",
  summary: "The process is alive",
  tags: ["health"],
  response: { 200: Type.Object({ status: Type.Literal("alive") }), ...PROBE_PROBLEMS },
}

export function aliveRoute(app: FastifyInstance): void {
  app.get("/healthz", { schema }, () => ({ status: "alive" }))
}
