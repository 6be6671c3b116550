import { printable } from "@gofermart/shared/domain/printable.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import type { FastifyInstance } from "fastify"

const READING = ["GET", "HEAD"]
/** Of what an action was given, such as a job that is added. */
const GIVEN_LENGTH_MAX = 1_000

/** Logs what operators do: a line for each action, with who asked for it and what came of it. */
export function logActions(app: FastifyInstance, logger: Logger): void {
  app.addHook("onRequest", (request, reply, done) => {
    const { method, clientAddress: address, operator = "without credentials" } = request
    if (!READING.includes(method)) {
      // Also when the operator does not wait for the answer, of which there is no hook.
      reply.raw.once("close", () => {
        const path = request.url.split("?", 1)[0]
        const body = JSON.stringify(request.body)?.slice(0, GIVEN_LENGTH_MAX)
        const given = body && printable(body)
        const status = reply.raw.writableFinished ? reply.statusCode : "not waited for"
        logger.info(
          { operator, address, action: `${method} ${path}`, given, status },
          "an operator acted on the board",
        )
      })
    }
    done()
  })
}
