import type { IncomingMessage, ServerResponse } from "node:http"
import { setTimeout as wait } from "node:timers/promises"
import {
  ORDER_NUMBER_LENGTH_MAX,
  parseOrderNumber,
  type OrderNumber,
} from "@gofermart/shared/domain/order-number.ts"
import { NO_POINTS, pointsToNumber } from "@gofermart/shared/domain/points.ts"
import { refuseRepeatedHeaders } from "@gofermart/shared/http/repeated-headers.ts"
import { createLogger, type Logger } from "@gofermart/shared/runtime/logger.ts"
import { fastify, type FastifyInstance, type FastifyReply } from "fastify"
import { Type, type Static } from "typebox"
import { Behaviour, BehaviourUpdate, defaultBehaviour } from "./behaviour.ts"
import { CallRecord } from "./call-record.ts"
import { RateWindow } from "./rate-window.ts"
import { Registry, type Answer, type RegistryLimits } from "./registry.ts"
import { StateFile } from "./state-file.ts"

const BODY_BYTES_MAX = 1_048_576
const REQUEST_TIMEOUT_MS = 30_000
const MINUTE_MS = 60_000
const CALLS_MAX = 100_000
const GOODS_PER_ORDER_MAX = 1_000
const DESCRIPTION_LENGTH_MAX = 10_000
const MATCH_LENGTH_MAX = 255
const LIMITS: RegistryLimits = { mechanicsMax: 10_000, ordersMax: 1_000_000 }
const ORDERS_FULL = `No more than ${LIMITS.ordersMax} orders are kept.`

const MechanicBody = Type.Object({
  match: Type.String({ minLength: 1, maxLength: MATCH_LENGTH_MAX }),
  reward: Type.Number({ minimum: 0 }),
  reward_type: Type.Union([Type.Literal("%"), Type.Literal("pt")]),
})
type MechanicBody = Static<typeof MechanicBody>

const GoodBody = Type.Object({
  description: Type.String({ maxLength: DESCRIPTION_LENGTH_MAX }),
  price: Type.Number({ minimum: 0 }),
})
const OrderBody = Type.Object({
  order: Type.String(),
  goods: Type.Array(GoodBody, { maxItems: GOODS_PER_ORDER_MAX }),
  verdict: Type.Optional(Type.Literal("INVALID")),
})
type OrderBody = Static<typeof OrderBody>

export interface SimulatorOptions {
  /** The switches that are not at their default from the start. */
  behaviour?: BehaviourUpdate
  /** A file in which goods and orders survive a restart; without it they do not. */
  statePath?: string
  /** Gets the simulator's own faults, and nothing about single requests. */
  logger?: Logger
  /**
   * Sees every request first. It returns true when the response is its own, to be given now, later or never;
   * then no switch counts, and no call is recorded. With a script, `close` cuts every connection.
   */
  script?: (request: IncomingMessage, response: ServerResponse) => boolean
}

/**
 * Builds a scoring system for development and tests; `listen` starts it and resolves with its URL, `close`
 * ends it.
 *
 * - `POST /api/goods` and `POST /api/orders` register a mechanic and an order. An order without
 *   goods, or with `"verdict": "INVALID"`, is going to be INVALID.
 * - `GET /api/orders/{number}` is the handler under simulation. Its accrual is left out when 0.
 * - `GET` and `PUT /api/behaviour` read and set the switches. Setting one of the two that make the
 *   limit (`requestsPerMinute`, `windowMs`) begins a new window.
 * - `GET /api/calls` lists the latest 100,000 calls of the handler under simulation in the order
 *   they arrived, those still being answered too, with status null; `DELETE` forgets them.
 * - `GET /healthz` answers 200.
 *
 * Throws a `ConfigError` when the state file holds anything else than goods and orders.
 */
export function buildSimulator(options: SimulatorOptions = {}): FastifyInstance {
  const logger = options.logger ?? createLogger("scoring-simulator", "error")
  const app = fastify({
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: options.script === undefined ? "idle" : true,
    // HEAD would count as a poll.
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: ORDER_NUMBER_LENGTH_MAX },
    // A body counts as it was sent: "10" is no price, and a misspelt switch is not dropped.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
    frameworkErrors: (error, _request, reply) => void answerError(error, reply, logger),
  })
  app.setErrorHandler((error, _request, reply) => answerError(error, reply, logger))
  app.setNotFoundHandler((_request, reply) => refuse(reply, 404, "There is nothing here."))
  const { script } = options
  if (script !== undefined) {
    // No route: a script may be polled under any path, and with headers that are refused otherwise.
    app.addHook("onRequest", (request, reply, done) => {
      if (script(request.raw, reply.raw)) reply.hijack()
      else done()
    })
  }
  refuseRepeatedHeaders(app, (reply, sentence) => refuse(reply, 400, sentence))
  app.get("/healthz", () => ({ status: "ok" }))

  const registry = new Registry(LIMITS, openState(app, options.statePath))
  addRegistration(app, registry)
  addSimulation(app, registry, { ...defaultBehaviour(), ...options.behaviour })
  return app
}

function openState(app: FastifyInstance, path: string | undefined): StateFile | undefined {
  if (path === undefined) return undefined
  const file = new StateFile(path)
  app.addHook("onClose", () => file.close())
  return file
}

/** The two handlers that tell the scoring system what there is. */
function addRegistration(app: FastifyInstance, registry: Registry): void {
  app.post<{ Body: MechanicBody }>(
    "/api/goods",
    { schema: { body: MechanicBody } },
    (request, reply) => {
      const { match, reward, reward_type: rewardType } = request.body
      switch (registry.addMechanic({ match, reward, rewardType })) {
        case "added":
          return reply.code(200).send()
        case "known":
          return refuse(reply, 409, "These goods are registered already.")
        case "full":
          return refuse(reply, 507, `No more than ${LIMITS.mechanicsMax} goods are kept.`)
      }
    },
  )

  app.post<{ Body: OrderBody }>(
    "/api/orders",
    { schema: { body: OrderBody } },
    (request, reply) => {
      const { order, goods, verdict } = request.body
      const number = parseOrderNumber(order)
      if (number === undefined) return refuse(reply, 400, "This is not an order number.")
      const invalid = verdict === "INVALID" || goods.length === 0
      switch (invalid ? registry.addInvalidOrder(number) : registry.addOrder(number, goods)) {
        case "added":
          return reply.code(202).send()
        case "known":
          return refuse(reply, 409, "This order is registered already.")
        case "full":
          return refuse(reply, 507, ORDERS_FULL)
        case "too large":
          return refuse(reply, 400, "The reward for these goods is too large.")
      }
    },
  )
}

/** The handler under simulation, what changes its behaviour, and what tells how it was called. */
function addSimulation(app: FastifyInstance, registry: Registry, behaviour: Behaviour): void {
  const calls = new CallRecord(CALLS_MAX)
  const rateWindow = new RateWindow()
  // Nobody is to wait for the end of a delay when the simulator stops.
  const stopping = new AbortController()
  app.addHook("preClose", async () => stopping.abort())

  app.get<{ Params: { number: string } }>("/api/orders/:number", async (request, reply) => {
    const call = calls.begin(request.params.number)
    try {
      const body = await answer(request.params.number, reply)
      call.status = reply.statusCode
      return body
    } catch (error) {
      call.status = 500
      throw error
    }
  })

  async function answer(numberPolled: string, reply: FastifyReply) {
    const { requestsPerMinute, windowMs, delayMs } = behaviour
    const refusedUntilMs = rateWindow.refusedUntilMs(performance.now(), requestsPerMinute, windowMs)
    if (delayMs > 0) {
      await wait(delayMs, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
    if (refusedUntilMs !== undefined) {
      // Of real minutes: what the limit is with a window that is shorter.
      const perMinute = Math.floor((requestsPerMinute * MINUTE_MS) / windowMs)
      return refuseForNow(reply, perMinute, refusedUntilMs)
    }
    if (behaviour.unavailable || Math.random() < behaviour.errorRate) {
      return refuse(reply, 500, "The scoring system failed, as it was told to.")
    }

    const number = parseOrderNumber(numberPolled)
    if (number === undefined) return reply.code(204).send()
    if (behaviour.autoRegister && registry.addDerivedOrder(number) === "full") {
      return refuse(reply, 500, ORDERS_FULL)
    }
    const answered = registry.poll(number, behaviour.pendingAnswers)
    return answered === undefined ? reply.code(204).send() : orderBody(number, answered)
  }

  app.get("/api/behaviour", () => behaviour)
  app.put<{ Body: BehaviourUpdate }>(
    "/api/behaviour",
    { schema: { body: BehaviourUpdate } },
    (request) => {
      Object.assign(behaviour, request.body)
      if ("requestsPerMinute" in request.body || "windowMs" in request.body) rateWindow.reset()
      return behaviour
    },
  )

  app.get("/api/calls", () => calls.list())
  app.delete("/api/calls", (_request, reply) => {
    calls.clear()
    return reply.code(204).send()
  })
}

function orderBody(order: OrderNumber, answer: Answer) {
  const { status } = answer
  if (answer.status !== "PROCESSED" || answer.accrual === NO_POINTS) return { order, status }
  return { order, status, accrual: pointsToNumber(answer.accrual) }
}

function refuseForNow(reply: FastifyReply, requestsPerMinute: number, untilMs: number) {
  const retryAfterS = Math.max(1, Math.ceil((untilMs - performance.now()) / 1_000))
  return reply
    .code(429)
    .header("retry-after", retryAfterS)
    .type("text/plain")
    .send(`No more than ${requestsPerMinute} requests per minute allowed`)
}

function answerError(error: unknown, reply: FastifyReply, logger: Logger) {
  const { statusCode = 500, message } = error as { statusCode?: number; message: string }
  if (statusCode < 500) return refuse(reply, statusCode, `The request is malformed: ${message}.`)
  logger.error({ err: error }, "a request failed")
  return refuse(reply, 500, "The simulator itself failed; its log says why.")
}

function refuse(reply: FastifyReply, statusCode: number, error: string) {
  return reply.code(statusCode).send({ error })
}
