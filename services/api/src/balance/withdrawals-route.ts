import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox"
import type { FastifyInstance } from "fastify"
import { Type } from "typebox"
import type { HistoryParts } from "../history/versions.ts"
import { LIST_TIMEOUT_MS, listSchema, sendList } from "../http/list.ts"
import { withdrawalList, WithdrawalRef } from "./withdrawal-list.ts"

const schema = {
  operationId: "listWithdrawals",
  summary: "What you have paid with points, newest first",
  tags: ["points"],
  ...listSchema("the withdrawals", { "application/json": { schema: Type.Array(WithdrawalRef) } }),
}

export function withdrawalsRoute(instance: FastifyInstance, parts: HistoryParts): void {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()
  const options = { schema, handlerTimeout: LIST_TIMEOUT_MS }
  app.get("/api/user/withdrawals", options, async (request, reply) => {
    await sendList(request, reply, withdrawalList(parts, request.userId))
    return reply
  })
}
