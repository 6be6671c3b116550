import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox"
import { parseNewOrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { reasonOf } from "@gofermart/shared/runtime/reason-of.ts"
import type { FastifyInstance, FastifyReply } from "fastify"
import { Type } from "typebox"
import { TOKEN_NEEDED } from "../http/description.ts"
import { PREFER_HEADER, preferredWaitS } from "../http/prefer.ts"
import { setRateLimitHeaders } from "../http/rate-limit-headers.ts"
import { sendProblem } from "../http/problems.ts"
import { problems } from "../http/responses.ts"
import { wouldReopen } from "./order-view.ts"
import type { OrderParts } from "./parts.ts"
import { anOrder, readWhenFinal, WAITING_TIMEOUT_MS } from "./read-when-final.ts"

/** By then some of a user's many orders are likely to be final. */
const RETRY_UPLOAD_AFTER_S = 60

const schema = {
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
      "invalid_order_number",
      "too_many_unfinished_orders",
    ),
  },
}

export function uploadRoute(instance: FastifyInstance, parts: OrderParts): void {
  instance.removeAllContentTypeParsers()
  instance.addContentTypeParser("text/plain", { parseAs: "string" }, (_request, body, done) =>
    done(null, body),
  )
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()
  const options = { schema, handlerTimeout: WAITING_TIMEOUT_MS }
  app.post("/api/user/orders", options, async (request, reply) => {
    if (request.body.trim() === "") {
      const detail = "The body must be the order's number."
      return sendProblem(reply, "malformed_request", [{ detail, pointer: "#" }])
    }
    const number = parseNewOrderNumber(request.body)
    if (number === undefined) return sendProblem(reply, "invalid_order_number")
    const { userId } = request
    if (
      !(await parts.unfinished.isBelowLimit(userId)) &&
      (await parts.userTurns.short(userId, () => wouldReopen(parts.database, userId, number)))
    ) {
      return refuseMore(reply, parts.unfinishedOrdersMax)
    }
    const outcome = await parts.orderRecorder.record({
      userId,
      number,
      requestId: request.id,
      trace: request.span?.context,
    })
    request.log.debug({ order: number, outcome }, "uploaded")
    switch (outcome) {
      case "accepted":
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
  setRateLimitHeaders(reply, true, { name: "unfinished-orders", max, remaining: 0, secondsLeft })
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
    const reason = reasonOf(error)
    reply.request.log.warn({ reason, order: number }, "recorded, but not to be waited for")
    return reply.send()
  }
}
