import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox"
import type { FastifyInstance } from "fastify"
import { Type } from "typebox"
import { LIST_TIMEOUT_MS, listSchema, sendList } from "../http/list.ts"
import { OrderLists } from "./order-list.ts"
import { OrderRef } from "./order-view.ts"
import type { OrderParts } from "./parts.ts"

const schema = {
  operationId: "listOrders",
  summary: "The orders you have uploaded, newest first",
  tags: ["orders"],
  ...listSchema("the orders", { "application/json": { schema: Type.Array(OrderRef) } }),
}

export function ordersRoute(instance: FastifyInstance, { database, userTurns }: OrderParts): void {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()
  const options = { schema, handlerTimeout: LIST_TIMEOUT_MS }
  const lists = new OrderLists(database, userTurns)
  app.get("/api/user/orders", options, async (request, reply) => {
    await sendList(request, reply, lists.of(request.userId))
    return reply
  })
}
