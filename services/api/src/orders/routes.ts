import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox"
import type { Database } from "@gofermart/shared/db/client.ts"
import { parseOrderNumber } from "@gofermart/shared/domain/order-number.ts"
import type { FastifyInstance, FastifyReply } from "fastify"
import { Type } from "typebox"
import { TOKEN_NEEDED } from "../http/description.ts"
import {
  CONDITION,
  LIST_HEADERS,
  TAG_HEADER,
  LIST_TIMEOUT_MS,
  PageQuerySchema,
  sendList,
} from "../http/list.ts"
import { PREFER_HEADER, PREFERENCE_APPLIED, preferredWaitS } from "../http/prefer.ts"
import { whenGone } from "../http/gone.ts"
import { tellLimit } from "../http/limit-fields.ts"
import { sendProblem } from "../http/problems.ts"
import { NOT_MODIFIED, nothing, problems } from "../http/responses.ts"
import type { Intake } from "./intake.ts"
import { OrderLists } from "./order-list.ts"
import { OrderRef, type OrderView, opens, readOrder, showRow } from "./order-view.ts"
import type { UnfinishedOrders } from "./unfinished.ts"
import type { Verdicts } from "./verdicts.ts"

/** Longer than anybody may wait for a result. */
const WAITING_TIMEOUT_MS = 90_000
/** By then some of a user's many orders are likely to be final. */
const RETRY_UPLOAD_AFTER_S = 60

export interface OrderParts {
  database: Database
  intake: Intake
  unfinished: UnfinishedOrders
  unfinishedOrdersMax: number
  verdicts: Verdicts
}

const anOrder = (description: string) => ({
  description,
  headers: PREFERENCE_APPLIED,
  content: { "application/json": { schema: OrderRef } },
})

const uploadSchema = {
  operationId: "uploadOrder",
  summary: "Hand in the number of an order",
  description:
    "The body is the bare number: digits that pass the Luhn check. 202 means that the order is " +
    "committed and will be settled. With `Prefer: wait=N` the answer carries the order and comes " +
    "when it is final, or after N seconds; without it the answer has no body.",
  tags: ["orders"],
  security: TOKEN_NEEDED,
  consumes: ["text/plain"],
  headers: Type.Object({ prefer: Type.Optional(PREFER_HEADER) }),
  body: Type.String({ minLength: 1, examples: ["79927398713"] }),
  response: {
    200: anOrder("you have uploaded it before"),
    202: anOrder("accepted: it is new, or open again"),
    ...problems(
      "unauthenticated",
      "cross_site",
      "order_taken",
      "body_too_large",
      "invalid_order_number",
      "too_many_unfinished_orders",
    ),
  },
}

export function uploadRoute(instance: FastifyInstance, parts: OrderParts): void {
  // Nothing but text/plain is an upload.
  instance.removeContentTypeParser("application/json")
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()
  const options = { schema: uploadSchema, handlerTimeout: WAITING_TIMEOUT_MS }
  app.post("/api/user/orders", options, async (request, reply) => {
    if (request.body.trim() === "") {
      return sendProblem(reply, "malformed_request", "The body must be the order's number.")
    }
    const number = parseOrderNumber(request.body)
    if (number === undefined) return sendProblem(reply, "invalid_order_number")
    const { userId } = request
    if (
      !(await parts.unfinished.hasRoom(userId)) &&
      (await opens(parts.database, userId, number))
    ) {
      return refuseMore(reply, parts.unfinishedOrdersMax)
    }
    const outcome = await parts.intake.record({
      userId,
      number,
      requestId: request.id,
      trace: request.span?.context,
    })
    request.log.debug({ order: number, outcome }, "uploaded")
    switch (outcome) {
      case "accepted":
        parts.unfinished.add(userId)
        return sendUploaded(reply.code(202), parts, number)
      case "already_uploaded":
        return sendUploaded(reply.code(200), parts, number)
      case "taken":
        return sendProblem(reply, "order_taken")
      case "no_user":
        return sendProblem(reply, "unauthenticated")
    }
  })
}

function refuseMore(reply: FastifyReply, max: number): FastifyReply {
  const secondsLeft = RETRY_UPLOAD_AFTER_S
  tellLimit(reply, true, { name: "unfinished-orders", max, remaining: 0, secondsLeft })
  return sendProblem(reply, "too_many_unfinished_orders")
}

/** The order is recorded: whatever happens while it is waited for does not take that back. */
async function sendUploaded(
  reply: FastifyReply,
  parts: OrderParts,
  number: string,
): Promise<FastifyReply> {
  const waitS = preferredWaitS(reply.request.headers.prefer)
  if (waitS === undefined) return reply.send()
  try {
    const shown = await readWhenFinal(reply, parts, number, waitS)
    return shown === undefined ? reply.send() : reply.send(shown)
  } catch (error) {
    reply.request.log.warn({ err: error, order: number }, "recorded, but not to be waited for")
    return reply.send()
  }
}

const orderSchema = {
  operationId: "getOrder",
  summary: "One order",
  description: "With `Prefer: wait=N` it answers when the order is final, or after N seconds.",
  tags: ["orders"],
  security: TOKEN_NEEDED,
  headers: Type.Object({ prefer: Type.Optional(PREFER_HEADER), ...CONDITION }),
  params: Type.Object({ number: Type.String({ examples: ["79927398713"] }) }),
  response: {
    200: { ...anOrder("the order"), headers: { ...PREFERENCE_APPLIED, ...TAG_HEADER } },
    304: NOT_MODIFIED,
    ...problems("unauthenticated", "order_not_found"),
  },
}

export function orderRoute(instance: FastifyInstance, parts: OrderParts): void {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()
  const options = { schema: orderSchema, handlerTimeout: WAITING_TIMEOUT_MS }
  app.get("/api/user/orders/:number", options, async (request, reply) => {
    const number = parseOrderNumber(request.params.number)
    if (number === undefined) return sendProblem(reply, "order_not_found")
    const shown = await readWhenFinal(reply, parts, number, preferredWaitS(request.headers.prefer))
    return shown === undefined ? sendProblem(reply, "order_not_found") : reply.send(shown)
  })
}

/** Reads an order of the user who asks: now, or when it is final if the client is to wait. */
async function readWhenFinal(
  reply: FastifyReply,
  { database, verdicts }: OrderParts,
  number: string,
  waitS: number | undefined,
): Promise<OrderView | undefined> {
  const { userId } = reply.request
  const order = await readOrder(database, userId, number)
  if (order === undefined || waitS === undefined) return order && showRow(order)
  const isFinal = order.status !== "PROCESSING"
  const waited =
    isFinal ||
    (await verdicts.wait({ userId, number, waitMs: waitS * 1_000, gone: whenGone(reply) }))
  if (waited) reply.header("preference-applied", `wait=${waitS}`)
  const now = isFinal || !waited ? order : await readOrder(database, userId, number)
  return now && showRow(now)
}

const listSchema = {
  operationId: "listOrders",
  summary: "The orders you have uploaded, newest first",
  tags: ["orders"],
  security: TOKEN_NEEDED,
  querystring: PageQuerySchema,
  headers: Type.Object(CONDITION),
  response: {
    200: {
      description: "the orders",
      headers: LIST_HEADERS,
      content: { "application/json": { schema: Type.Array(OrderRef) } },
    },
    304: NOT_MODIFIED,
    204: nothing("there are none"),
    ...problems("unauthenticated"),
  },
}

export function orderListRoute(instance: FastifyInstance, database: Database): void {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()
  const options = { schema: listSchema, handlerTimeout: LIST_TIMEOUT_MS }
  const lists = new OrderLists(database)
  app.get("/api/user/orders", options, async (request, reply) => {
    await sendList(request, reply, lists.of(request.userId))
    return reply
  })
}
