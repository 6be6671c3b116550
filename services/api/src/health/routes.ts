import type { Database } from "@gofermart/shared/db/client.ts"
import { queuePauseMs } from "@gofermart/shared/queue/backend.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import { inTime } from "@gofermart/shared/runtime/in-time.ts"
import type { FastifyInstance } from "fastify"
import { Type } from "typebox"

const DEADLINE_MS = 2_000

const aliveSchema = {
  operationId: "isAlive",
  summary: "The process is alive",
  tags: ["health"],
  response: { 200: Type.Object({ status: Type.Literal("alive") }) },
}

const ReadinessSchema = Type.Object({
  database: Type.Enum(["ok", "unavailable"], { type: "string" }),
  queue: Type.Enum(["ok", "degraded"], { type: "string" }),
})
const readySchema = {
  operationId: "isReady",
  summary: "The database answers",
  description: "A lost queue is said and does not count: uploads go on without it.",
  tags: ["health"],
  response: { 200: ReadinessSchema, 503: ReadinessSchema },
}

/**
 * `/healthz`: the process is alive. `/readyz`: the database answers; a lost queue is said and does
 * not count, since uploads go on without it.
 */
export function healthRoutes(
  app: FastifyInstance,
  database: Database,
  queue: Promise<AccrualQueue>,
): void {
  app.get("/healthz", { schema: aliveSchema }, () => ({ status: "alive" }))
  app.get("/readyz", { schema: readySchema }, async (_request, reply) => {
    const [databaseAnswers, queueAnswers] = await Promise.all([
      answersInTime(database.$queryRaw`SELECT FROM users LIMIT 1`),
      answersInTime(queue.then(queuePauseMs)),
    ])
    return reply.code(databaseAnswers ? 200 : 503).send({
      database: databaseAnswers ? "ok" : "unavailable",
      queue: queueAnswers ? "ok" : "degraded",
    })
  })
}

function answersInTime(asked: Promise<unknown>): Promise<boolean> {
  return inTime(asked, DEADLINE_MS, "no answer").then(
    () => true,
    () => false,
  )
}
