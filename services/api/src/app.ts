import { randomUUID } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { constants } from "node:zlib"
import fastifyAccepts from "@fastify/accepts"
import fastifyCompress from "@fastify/compress"
import fastifyCookie from "@fastify/cookie"
import type { Database } from "@gofermart/shared/db/client.ts"
import { ORDER_NUMBER_LENGTH_MAX } from "@gofermart/shared/domain/order-number.ts"
import { type AccrualQueue, REQUEST_ID_LENGTH_MAX } from "@gofermart/shared/queue/poll-job.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from "fastify"
import helmet from "helmet"
import { Accounts } from "./auth/accounts.ts"
import { requireUser } from "./auth/authenticate.ts"
import { LoginThrottle } from "./auth/login-throttle.ts"
import { Passwords } from "./auth/passwords.ts"
import { authRoutes } from "./auth/routes.ts"
import { sessionRoutes } from "./auth/sessions.ts"
import { Tokens } from "./auth/tokens.ts"
import { balanceRoute } from "./balance/routes.ts"
import { withdrawRoute } from "./balance/withdraw.ts"
import { withdrawalListRoute, WithdrawalSchema } from "./balance/withdrawal-list.ts"
import type { Config } from "./config.ts"
import { eventRoute } from "./events/routes.ts"
import { healthRoutes } from "./health/routes.ts"
import { transactionRoute } from "./history/routes.ts"
import { answerConditionally } from "./http/conditional.ts"
import { describeApi } from "./http/description.ts"
import { answerError, answerErrors, answerParserError } from "./http/errors.ts"
import { takeJson } from "./http/json-body.ts"
import { measureRequests } from "./http/measure.ts"
import { traceRequests } from "./http/trace.ts"
import { validation } from "./http/validation.ts"
import { Enqueuer } from "./orders/enqueue.ts"
import { Intake } from "./orders/intake.ts"
import { OrderSchema } from "./orders/order-view.ts"
import { orderListRoute, orderRoute, uploadRoute } from "./orders/routes.ts"
import { UnfinishedOrders } from "./orders/unfinished.ts"
import { Verdicts } from "./orders/verdicts.ts"

/** Of a body as it is read, expanded. */
const BODY_BYTES_MAX = 262_144
/** For a request to arrive in full, and for its answer. */
const REQUEST_TIMEOUT_MS = 15_000
const HEADERS_TIMEOUT_MS = 10_000
const SLOW_CHECK_INTERVAL_MS = 1_000
const HANDLER_TIMEOUT_MS = 30_000
const IDLE_CLOSE_INTERVAL_MS = 100
/** At a shutdown, in which clients learn from an answer that their connection ends. */
const FAREWELL_MS = 500
/** Smaller bodies grow when compressed. */
const COMPRESSED_BYTES_MIN = 1_024
const BROTLI_QUALITY = 4
/** Answers are data; nothing in them is to be run or shown as a page. */
const CONTENT_POLICY = {
  useDefaults: false,
  directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
}

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
    logController: new LogController({
      disableRequestLogging: true,
      requestIdLogLabel: "requestId",
    }),
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    handlerTimeout: HANDLER_TIMEOUT_MS,
    http: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      // How often Node looks for requests that are too slow.
      connectionsCheckingInterval: SLOW_CHECK_INTERVAL_MS,
    },
    schemaController: validation,
    routerOptions: { maxParamLength: ORDER_NUMBER_LENGTH_MAX },
    trustProxy: config.trustedProxies.length > 0 && config.trustedProxies,
    forceCloseConnections: "idle",
    // What comes in while it closes is still answered, by the routes and not by the framework.
    return503OnClosing: false,
    genReqId: (request) => requestId(request.headers["x-request-id"]),
    frameworkErrors: (error, request, reply) => void answerError(error, request, reply),
    clientErrorHandler: answerParserError,
  })
  answerErrors(app)
  takeJson(app)
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id)
  })
  measureRequests(app)
  traceRequests(app)
  await app.register(fastifyAccepts)
  await app.register(fastifyCookie)
  // Its plugin for Fastify makes the headers anew for each request, which costs as much as the route.
  const secure = helmet({ contentSecurityPolicy: CONTENT_POLICY })
  app.addHook("onRequest", (request, reply, done) => secure(request.raw, reply.raw, () => done()))
  await app.register(fastifyCompress, {
    threshold: COMPRESSED_BYTES_MIN,
    brotliOptions: { params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } },
  })

  await describeApi(app)
  for (const schema of [OrderSchema, WithdrawalSchema]) app.addSchema(schema)

  const tokens = new Tokens(config.authKeys, config.tokenLifetimeMs)
  const passwords = new Passwords()
  const accounts = new Accounts(database)
  const loginThrottle = new LoginThrottle(database, config.throttling)
  const authParts = { database, passwords, tokens, accounts, loginThrottle, ...config }
  const enqueuer = new Enqueuer(queue, logger)
  const intake = new Intake(database, enqueuer, config.leaseMs)
  const verdicts = new Verdicts(database, logger)
  const unfinished = new UnfinishedOrders(database, config.unfinishedOrdersMax)
  const orderParts = { database, intake, unfinished, verdicts, ...config }
  app.addHook("preClose", async () => verdicts.close())
  sayFarewell(app)
  app.addHook("preClose", async () => closeWhatBecomesIdle(app))
  app.addHook("onClose", () => enqueuer.close())

  healthRoutes(app, database, queue)
  await app.register(async (open) => {
    open.removeContentTypeParser("text/plain")
    authRoutes(open, authParts)
  })
  await app.register(async (members) => {
    requireUser(members, tokens, accounts)
    members.addHook("onRequest", async (_request, reply) => {
      // A shared cache does not know that a cookie makes an answer one user's own.
      reply.header("cache-control", "private, no-cache")
    })
    sessionRoutes(members, authParts)
    await members.register(async (uploads) => uploadRoute(uploads, orderParts))
    members.removeContentTypeParser("text/plain")
    withdrawRoute(members, database, config.withdrawOwnedOnly)
    eventRoute(members, database, logger)
    await members.register(async (reads) => {
      await answerConditionally(reads)
      orderListRoute(reads, database)
      orderRoute(reads, orderParts)
      balanceRoute(reads, database)
      withdrawalListRoute(reads, database)
      transactionRoute(reads, database)
    })
  })
  return app
}

/**
 * A server that closes drops idle connections, and with them a request that is just coming in on
 * one: its client would see a reset. So for a while every answer says that it is the connection's
 * last, also those that were under way before.
 */
function sayFarewell(app: FastifyInstance): void {
  let isClosing = false
  app.addHook("onSend", async (_request, reply) => {
    if (isClosing) reply.header("connection", "close")
  })
  app.addHook("preClose", async () => {
    isClosing = true
    await sleep(FAREWELL_MS)
  })
}

/**
 * A connection whose answer was under way when the server began to close is idle only after it,
 * and nothing else would end it before its client does.
 */
function closeWhatBecomesIdle(app: FastifyInstance): void {
  setInterval(() => app.server.closeIdleConnections(), IDLE_CLOSE_INTERVAL_MS).unref()
}

/** A caller's id is kept when it is one that can go into a log line as it is. */
function requestId(given: string | string[] | undefined): string {
  const usable =
    typeof given === "string" && given.length <= REQUEST_ID_LENGTH_MAX && /^[\w.-]+$/.test(given)
  return usable ? given : randomUUID()
}
