import { randomUUID } from "node:crypto"
import { constants } from "node:zlib"
import fastifyCompress from "@fastify/compress"
import fastifyCookie from "@fastify/cookie"
import type { Database } from "@gofermart/shared/db/client.ts"
import { readClientAddresses } from "@gofermart/shared/http/client-address.ts"
import { takeJson } from "@gofermart/shared/http/json-body.ts"
import { refuseRepeatedHeaders } from "@gofermart/shared/http/repeated-headers.ts"
import { refuseBadHttp, refuseTunnels } from "@gofermart/shared/http/protocol.ts"
import { parseQuery } from "@gofermart/shared/http/parse-query.ts"
import { addSecurityHeaders } from "@gofermart/shared/http/security-headers.ts"
import { trustIn } from "@gofermart/shared/http/trusted-proxies.ts"
import { ORDER_NUMBER_LENGTH_MAX } from "@gofermart/shared/domain/order-number.ts"
import { type AccrualQueue, REQUEST_ID_LENGTH_MAX } from "@gofermart/shared/queue/poll-job.ts"
import type { Readiness } from "@gofermart/shared/readiness/readiness.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from "fastify"
import { Accounts } from "./auth/accounts.ts"
import { requireUser } from "./auth/authenticate.ts"
import { LoginsAtOnce } from "./auth/logins-at-once.ts"
import { LoginThrottle } from "./auth/login-throttle.ts"
import { Passwords } from "./auth/passwords.ts"
import { loginRoute } from "./auth/login-route.ts"
import { logoutRoute } from "./auth/logout-route.ts"
import { passwordRoute } from "./auth/password-route.ts"
import { registerRoute } from "./auth/register-route.ts"
import { TokenSchema } from "./auth/token-answer.ts"
import { Tokens } from "./auth/tokens.ts"
import { balanceRoute } from "./balance/balance-route.ts"
import { withdrawRoute } from "./balance/withdraw-route.ts"
import { WithdrawalSchema } from "./balance/withdrawal-list.ts"
import { withdrawalsRoute } from "./balance/withdrawals-route.ts"
import type { Config } from "./config.ts"
import { docsRoute } from "./docs/docs-route.ts"
import { eventsRoute } from "./events/events-route.ts"
import { aliveRoute } from "./health/alive-route.ts"
import { readyRoute } from "./health/ready-route.ts"
import { transactionsRoute } from "./history/transactions-route.ts"
import { measureWhatIsSent, readCodings } from "./http/codings.ts"
import { answerConditionally } from "./http/conditional.ts"
import { describeApi } from "./http/description.ts"
import {
  answerError,
  answerErrors,
  answerParserError,
  refuseOnSocket,
  refuseWithoutRoute,
} from "./http/errors.ts"
import { measureRequests } from "./http/measure.ts"
import { sendProblem } from "./http/problems.ts"
import { traceRequests } from "./http/trace.ts"
import { buildSerializer } from "./http/serialization.ts"
import { buildValidator, refuseUnknownParameters } from "./http/validation.ts"
import { UserTurns } from "./http/user-turns.ts"
import { Enqueuer } from "./orders/enqueue.ts"
import { OrderRecorder } from "./orders/order-recorder.ts"
import { OrderSchema } from "./orders/order-view.ts"
import { Orders } from "./orders/orders.ts"
import { orderRoute } from "./orders/order-route.ts"
import { ordersRoute } from "./orders/orders-route.ts"
import { uploadRoute } from "./orders/upload-route.ts"
import { UnfinishedOrders } from "./orders/unfinished.ts"
import { OrderWaiter } from "./orders/order-waiter.ts"

/** Of a body as it is read, expanded. */
const BODY_BYTES_MAX = 262_144
/** For a request to arrive in full, and for its answer. */
const REQUEST_TIMEOUT_MS = 15_000
const HEADERS_TIMEOUT_MS = 10_000
const SLOW_CHECK_INTERVAL_MS = 1_000
const HANDLER_TIMEOUT_MS = 30_000
const IDLE_CLOSE_INTERVAL_MS = 100
/** At a shutdown, in which clients learn from an answer that their connection ends; proxies keep idle ones for less. */
const DRAIN_MS = 500
/** Smaller bodies grow when compressed. */
const COMPRESSED_BYTES_MIN = 1_024
const BROTLI_QUALITY = 4

export interface AppParts {
  config: Config
  database: Database
  /** Pending while the queue's backend is away; nothing but the workers' pace depends on it. */
  queue: Promise<AccrualQueue>
  readiness: Readiness
  logger: Logger
}

/** Builds the customers' server: everything but the listening. */
export async function buildApp(parts: AppParts): Promise<FastifyInstance> {
  const { config, database, queue, readiness, logger } = parts
  const trust = trustIn(config.operators.trustedProxies)
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
      // We refuse its absence, as a problem.
      requireHostHeader: false,
      headersTimeout: HEADERS_TIMEOUT_MS,
      // How often Node looks for requests that are too slow.
      connectionsCheckingInterval: SLOW_CHECK_INTERVAL_MS,
    },
    // A compiler that is set on the instance would be replaced where schemas are added.
    schemaController: { compilersFactory: { buildSerializer, buildValidator } },
    routerOptions: {
      maxParamLength: ORDER_NUMBER_LENGTH_MAX,
      querystringParser: parseQuery,
    },
    trustProxy: trust,
    forceCloseConnections: "idle",
    // What comes in while it closes is still answered, by the routes and not by the framework.
    return503OnClosing: false,
    genReqId: (request) => requestId(request.headers["x-request-id"]),
    frameworkErrors: (error, request, reply) => void answerError(error, request, reply),
    clientErrorHandler: answerParserError,
  })
  answerErrors(app)
  takeJson(app)
  // The upload takes text: it says so itself.
  app.removeContentTypeParser("text/plain")
  readClientAddresses(app, trust, logger)
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id)
  })
  readCodings(app)
  measureRequests(app)
  traceRequests(app)
  await app.register(fastifyCookie)
  addSecurityHeaders(app)
  refuseTunnels(app, (socket, sentence) => refuseOnSocket(socket, "malformed_request", sentence))
  refuseRepeatedHeaders(app, (reply, sentence) => sendProblem(reply, "malformed_request", sentence))
  refuseBadHttp(app, (reply, status, sentence) =>
    status === 417
      ? sendProblem(reply, "expectation_failed")
      : sendProblem(reply, "malformed_request", sentence),
  )
  refuseWithoutRoute(app)
  refuseUnknownParameters(app)
  await app.register(fastifyCompress, {
    threshold: COMPRESSED_BYTES_MIN,
    brotliOptions: { params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } },
  })
  measureWhatIsSent(app)

  await describeApi(app)
  await docsRoute(app)
  for (const schema of [OrderSchema, WithdrawalSchema, TokenSchema]) app.addSchema(schema)

  const tokens = new Tokens(config.authKeys, config.tokenLifetimeMs)
  const passwords = new Passwords()
  const accounts = new Accounts(database)
  const loginThrottle = new LoginThrottle(database, config.throttling)
  const loginsAtOnce = new LoginsAtOnce(config.loginsAtOncePerAddressMax)
  const authParts = {
    database,
    passwords,
    tokens,
    accounts,
    loginThrottle,
    loginsAtOnce,
    ...config,
  }
  const enqueuer = new Enqueuer(queue, logger)
  const unfinished = new UnfinishedOrders(database, config.unfinishedOrdersMax)
  const orderRecorder = new OrderRecorder(database, enqueuer, unfinished, config.leaseMs)
  const orders = new Orders(database)
  const orderWaiter = new OrderWaiter(database, logger, config)
  const userTurns = new UserTurns()
  const orderParts = {
    database,
    userTurns,
    orderRecorder,
    unfinished,
    orders,
    orderWaiter,
    ...config,
  }
  app.addHook("preClose", async () => orderWaiter.close())
  drainConnections(app)
  app.addHook("onClose", () => enqueuer.close())

  aliveRoute(app)
  readyRoute(app, readiness)
  registerRoute(app, authParts)
  loginRoute(app, authParts)
  await app.register(async (members) => {
    requireUser(members, tokens, accounts)
    members.addHook("onRequest", async (_request, reply) => {
      // A shared cache does not know that a cookie makes an answer one user's own.
      reply.header("cache-control", "private, no-cache")
    })
    logoutRoute(members, authParts)
    passwordRoute(members, authParts)
    await members.register(async (uploads) => uploadRoute(uploads, orderParts))
    withdrawRoute(members, orderParts, config.withdrawOwnedOnly)
    eventsRoute(members, orderParts, accounts, logger)
    await members.register(async (reads) => {
      await answerConditionally(reads)
      ordersRoute(reads, orderParts)
      orderRoute(reads, orderParts)
      balanceRoute(reads, database)
      withdrawalsRoute(reads, orderParts)
      transactionsRoute(reads, orderParts)
    })
  })
  return app
}

/**
 * A server that closes drops idle connections, and with them a request that is just coming in on
 * one: its client would see a reset. So they stay for a while, in which every answer says that it is its
 * connection's last, also those that were under way before.
 *
 * No connection is taken meanwhile. A proxy to which one is refused has sent nothing and goes on to the next API;
 * one that is taken, and not yet read from when the server stops listening, is reset after its request was sent.
 * While answers end their connections each request needs a new one, so that the listening has to end before.
 */
function drainConnections(app: FastifyInstance): void {
  const { server } = app
  const closeIdleConnections = server.closeIdleConnections.bind(server)
  // Node and the framework call it as they end the listening.
  server.closeIdleConnections = () => {}
  let isClosing = false
  app.addHook("onSend", async (_request, reply) => {
    if (isClosing) reply.header("connection", "close")
  })
  app.addHook("preClose", async () => {
    isClosing = true
    // A connection whose answer was under way is idle only after it, and nothing else would end it before its client.
    const closeWhatBecomesIdle = () =>
      setInterval(closeIdleConnections, IDLE_CLOSE_INTERVAL_MS).unref()
    setTimeout(closeWhatBecomesIdle, DRAIN_MS).unref()
  })
}

/** A caller's id is kept when it is one that can go into a log line as it is. */
function requestId(given: string | string[] | undefined): string {
  const usable =
    typeof given === "string" && given.length <= REQUEST_ID_LENGTH_MAX && /^[\w.-]+$/.test(given)
  return usable ? given : randomUUID()
}
