import { randomUUID } from "node:crypto"
import { constants } from "node:zlib"
import fastifyCompress from "@fastify/compress"
import fastifyCookie from "@fastify/cookie"
import type { Database } from "@gofermart/shared/db/client.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from "fastify"
import { Accounts } from "./auth/accounts.ts"
import { requireUser } from "./auth/authenticate.ts"
import { Passwords } from "./auth/passwords.ts"
import { authRoutes } from "./auth/routes.ts"
import { Tokens } from "./auth/tokens.ts"
import { balanceRoute, withdrawalListRoute, withdrawRoute } from "./balance/routes.ts"
import type { Config } from "./config.ts"
import { healthRoutes } from "./health/routes.ts"
import { answerError, answerErrors, answerParserError } from "./http/errors.ts"
import { Enqueuer } from "./orders/enqueue.ts"
import { Intake } from "./orders/intake.ts"
import { orderListRoute, uploadRoute } from "./orders/routes.ts"

/** Of a body as it is read, expanded; the longest one in the contract has a few hundred bytes. */
const BODY_BYTES_MAX = 64 * 1024
/** For a request to arrive in full, and for its answer. */
const REQUEST_TIMEOUT_MS = 15_000
const HEADERS_TIMEOUT_MS = 10_000
const HANDLER_TIMEOUT_MS = 30_000
const REQUEST_ID_LENGTH_MAX = 64
/** Smaller bodies grow when compressed. */
const COMPRESSED_BYTES_MIN = 1_024
const BROTLI_QUALITY = 4

export interface AppParts {
  config: Config
  database: Database
  /** Pending while the queue's backend is away; nothing but the workers' pace depends on it. */
  queue: Promise<AccrualQueue>
  logger: Logger
}

/** Builds the customers' server: everything but the listening. */
export async function buildApp(parts: AppParts): Promise<FastifyInstance> {
  const { config, database, queue, logger } = parts
  const app: FastifyInstance = Fastify({
    loggerInstance: logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    handlerTimeout: HANDLER_TIMEOUT_MS,
    http: { headersTimeout: HEADERS_TIMEOUT_MS },
    trustProxy: config.trustedProxies.length > 0 && config.trustedProxies,
    forceCloseConnections: "idle",
    // What comes in while it closes is still answered, by the routes and not by the framework.
    return503OnClosing: false,
    genReqId: (request) => requestId(request.headers["x-request-id"]),
    // Only what the schemas say is accepted: "10" is not 10.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
    frameworkErrors: (error, request, reply) => void answerError(error, request, reply),
    clientErrorHandler: answerParserError,
  })
  answerErrors(app)
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id)
  })
  app.addHook("onResponse", async (request, reply) => {
    const { statusCode, elapsedTime } = reply
    const line = {
      method: request.method,
      route: request.routeOptions.url,
      statusCode,
      elapsedTime,
    }
    request.log.debug(line, "answered")
  })
  await app.register(fastifyCookie)
  await app.register(fastifyCompress, {
    threshold: COMPRESSED_BYTES_MIN,
    brotliOptions: { params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } },
  })

  const tokens = new Tokens(config.authKeys, config.tokenLifetimeMs)
  const passwords = new Passwords()
  const accounts = new Accounts(database)
  const enqueuer = new Enqueuer(queue, logger)
  const intake = new Intake(database, enqueuer, config.leaseMs)
  app.addHook("onClose", () => enqueuer.close())

  healthRoutes(app, database, queue)
  await app.register(async (open) => {
    open.removeContentTypeParser("text/plain")
    authRoutes(open, {
      database,
      passwords,
      tokens,
      passwordLengthMin: config.passwordLengthMin,
    })
  })
  await app.register(async (members) => {
    requireUser(members, tokens, accounts)
    await members.register(async (uploads) => uploadRoute(uploads, intake))
    members.removeContentTypeParser("text/plain")
    orderListRoute(members, database)
    balanceRoute(members, database)
    withdrawRoute(members, database, config.withdrawOwnedOnly)
    withdrawalListRoute(members, database)
  })
  return app
}

/** A caller's id is kept when it is one that can go into a log line as it is. */
function requestId(given: string | string[] | undefined): string {
  const usable =
    typeof given === "string" && given.length <= REQUEST_ID_LENGTH_MAX && /^[\w.-]+$/.test(given)
  return usable ? given : randomUUID()
}
