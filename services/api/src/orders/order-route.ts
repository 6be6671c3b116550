import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox"
import { parseOrderNumber } from "@gofermart/shared/domain/order-number.ts"
import type { FastifyInstance } from "fastify"
import { Type } from "typebox"
import { TOKEN_NEEDED } from "../http/description.ts"
import { CONDITION, TAG_HEADER } from "../http/list.ts"
import { PREFER_HEADER, PREFERENCE_APPLIED, preferredWaitS } from "../http/prefer.ts"
import { sendProblem } from "../http/problems.ts"
import { notModified, problems } from "../http/responses.ts"
import type { OrderParts } from "./parts.ts"
import { anOrder, readWhenFinal, WAITING_TIMEOUT_MS } from "./read-when-final.ts"

const schema = {
  operationId: "getOrder",
  summary: "One order",
  description: "With `Prefer: wait=N` it answers when the order is final, or after N seconds.",
  tags: ["orders"],
  security: TOKEN_NEEDED,
  headers: Type.Object({ prefer: Type.Optional(PREFER_HEADER), ...CONDITION }),
  params: Type.Object({ number: Type.String({ examples: ["79927398713"] }) }),
  response: {
    200: { ...anOrder("the order"), headers: { ...PREFERENCE_APPLIED, ...TAG_HEADER } },
    304: notModified({ ...PREFERENCE_APPLIED, ...TAG_HEADER }),
    ...problems("unauthenticated", "order_not_found"),
  },
}

export function orderRoute(instance: FastifyInstance, parts: OrderParts): void {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()
  const options = { schema, handlerTimeout: WAITING_TIMEOUT_MS }
  app.get("/api/user/orders/:number", options, async (request, reply) => {
    const number = parseOrderNumber(request.params.number)
    if (number === undefined) return sendProblem(reply, "order_not_found")
    const shown = await readWhenFinal(reply, parts, number, preferredWaitS(request.headers.prefer))
    return shown === undefined ? sendProblem(reply, "order_not_found") : reply.send(shown)
  })
}
