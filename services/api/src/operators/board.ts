import fastifyBasicAuth from "@fastify/basic-auth"
import { createBullBoard } from "@bull-board/api"
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter"
import { FastifyAdapter } from "@bull-board/fastify"
import { timingSafeEqual } from "node:crypto"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import { isCrossSite, isForeignName } from "../http/cross-site.ts"
import Fastify, { type FastifyInstance } from "fastify"

/** Builds the operators' own server: a Bull Board of the accrual queue. */
export async function buildOperatorsApp(
  queue: AccrualQueue,
  operator: { login: string; password: string | undefined },
): Promise<FastifyInstance> {
  const app = Fastify({ logger: false, forceCloseConnections: true })
  if (operator.password !== undefined) {
    await requireOperator(app, operator.login, operator.password)
  }
  app.addHook("onRequest", async (request, reply) => {
    const isGuarded = operator.password !== undefined
    if (isCrossSite(request) || (!isGuarded && isForeignName(request))) {
      return reply.code(403).send({ error: "Another site asked for this." })
    }
    return undefined
  })
  const board = new FastifyAdapter()
  createBullBoard({ queues: [new BullMQAdapter(queue as never)], serverAdapter: board })
  await app.register(board.registerPlugin())
  return app
}

async function requireOperator(
  app: FastifyInstance,
  login: string,
  password: string,
): Promise<void> {
  await app.register(fastifyBasicAuth, {
    authenticate: { realm: "gofermart operators" },
    validate: async (givenLogin, givenPassword) => {
      const matches = equals(givenLogin, login) && equals(givenPassword, password)
      if (!matches) throw new Error("wrong credentials")
    },
  })
  app.addHook("onRequest", app.basicAuth)
}

function equals(given: string, expected: string): boolean {
  const a = Buffer.from(given)
  const b = Buffer.from(expected)
  return a.length === b.length && timingSafeEqual(a, b)
}
