import type { Database } from "@gofermart/shared/db/client.ts"
import { pointsToNumber } from "@gofermart/shared/domain/points.ts"
import type { FastifyInstance } from "fastify"
import { Type } from "typebox"
import { TOKEN_NEEDED } from "../http/description.ts"
import { CONDITION, TAG_HEADER } from "../http/list.ts"
import { sendProblem } from "../http/problems.ts"
import { notModified, problems } from "../http/responses.ts"
import { Balances } from "./balances.ts"

const BalanceSchema = Type.Object(
  {
    current: Type.Number({ description: "what can be spent now" }),
    withdrawn: Type.Number({ description: "what was spent since registration" }),
  },
  { $id: "Balance", examples: [{ current: 629.97, withdrawn: 100.01 }] },
)

const schema = {
  operationId: "getBalance",
  summary: "Your points",
  tags: ["points"],
  security: TOKEN_NEEDED,
  headers: Type.Object(CONDITION),
  response: {
    200: {
      description: "the balance",
      headers: TAG_HEADER,
      content: { "application/json": { schema: { $ref: "Balance#" } } },
    },
    304: notModified(TAG_HEADER),
    ...problems("unauthenticated"),
  },
}

export function balanceRoute(app: FastifyInstance, database: Database): void {
  app.addSchema(BalanceSchema)
  const balances = new Balances(database)
  app.get("/api/user/balance", { schema }, async (request, reply) => {
    const balance = await balances.read(request.userId)
    if (balance === undefined) return sendProblem(reply, "unauthenticated")
    return reply.send({
      current: pointsToNumber(balance.current),
      withdrawn: pointsToNumber(balance.withdrawn),
    })
  })
}
