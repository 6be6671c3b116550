import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox"
import type { Database } from "@gofermart/shared/db/client.ts"
import { toClientStatus } from "@gofermart/shared/domain/accrual-status.ts"
import { parseOrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { pointsFromDecimal, pointsToNumber } from "@gofermart/shared/domain/points.ts"
import type { FastifyInstance } from "fastify"
import { Type, type Static } from "typebox"
import { ITEMS_PER_PAGE, LIST_TIMEOUT_MS, sendList } from "../http/json-list.ts"
import { sendProblem } from "../http/problems.ts"
import type { Intake } from "./intake.ts"

const OrderSchema = Type.Object({
  number: Type.String(),
  status: Type.Enum(["NEW", "PROCESSING", "INVALID", "PROCESSED"]),
  accrual: Type.Optional(Type.Number()),
  uploaded_at: Type.String({ format: "date-time" }),
})

const uploadSchema = { body: Type.String({ minLength: 1 }) }

export function uploadRoute(instance: FastifyInstance, intake: Intake): void {
  // Nothing but text/plain is an upload.
  instance.removeContentTypeParser("application/json")
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()

  app.post("/api/user/orders", { schema: uploadSchema }, async (request, reply) => {
    if (request.body.trim() === "") {
      return sendProblem(reply, "malformed_request", "The body must be the order's number.")
    }
    const number = parseOrderNumber(request.body)
    if (number === undefined) return sendProblem(reply, "invalid_order_number")
    const outcome = await intake.record({ userId: request.userId, number })
    switch (outcome) {
      case "accepted":
        return reply.code(202).send()
      case "already_uploaded":
        return reply.code(200).send()
      case "taken":
        return sendProblem(reply, "order_taken")
      case "no_user":
        return sendProblem(reply, "unauthenticated")
    }
  })
}

const listSchema = { response: { 200: Type.Array(OrderSchema) } }

export function orderListRoute(app: FastifyInstance, database: Database): void {
  const options = { schema: listSchema, handlerTimeout: LIST_TIMEOUT_MS }
  app.get("/api/user/orders", options, (request, reply) =>
    sendList(reply, (after) => readOrders(database, request.userId, after?.id), showOrder),
  )
}

function readOrders(database: Database, userId: bigint, after: bigint | undefined) {
  return database.order.findMany({
    where: { userId, uploadedAt: { not: null } },
    orderBy: [{ uploadedAt: "desc" }, { id: "desc" }],
    select: {
      id: true,
      number: true,
      uploadedAt: true,
      accrual: { select: { status: true, value: true } },
    },
    take: ITEMS_PER_PAGE,
    ...(after === undefined ? {} : { cursor: { id: after }, skip: 1 }),
  })
}

type OrderRow = Awaited<ReturnType<typeof readOrders>>[number]

function showOrder({ number, uploadedAt, accrual }: OrderRow): Static<typeof OrderSchema> {
  if (accrual === null || uploadedAt === null) throw new Error("an uploaded order has an accrual")
  const points = accrual.value === null ? 0 : pointsToNumber(pointsFromDecimal(accrual.value))
  return {
    number,
    status: toClientStatus(accrual.status),
    ...(points > 0 ? { accrual: points } : {}),
    uploaded_at: uploadedAt.toISOString(),
  }
}
