import { randomUUID } from "node:crypto"
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox"
import type { Database } from "@gofermart/shared/db/client.ts"
import { parseOrderNumber } from "@gofermart/shared/domain/order-number.ts"
import {
  NO_POINTS,
  pointsFromDecimal,
  pointsFromNumber,
  pointsToNumber,
} from "@gofermart/shared/domain/points.ts"
import { withdraw } from "@gofermart/shared/ledger/withdraw.ts"
import type { FastifyInstance } from "fastify"
import { Type, type Static } from "typebox"
import { ITEMS_PER_PAGE, LIST_TIMEOUT_MS, sendList } from "../http/json-list.ts"
import { sendProblem } from "../http/problems.ts"

const BalanceSchema = Type.Object({ current: Type.Number(), withdrawn: Type.Number() })

export function balanceRoute(app: FastifyInstance, database: Database): void {
  const schema = { response: { 200: BalanceSchema } }
  app.get("/api/user/balance", { schema }, async (request, reply) => {
    const balance = await database.userBalance.findUnique({
      where: { userId: request.userId },
      select: { accrual: true, withdrawal: true },
    })
    if (balance === null) return sendProblem(reply, "unauthenticated")
    return reply.send({
      current: pointsToNumber(pointsFromDecimal(balance.accrual)),
      withdrawn: pointsToNumber(pointsFromDecimal(balance.withdrawal)),
    })
  })
}

const withdrawSchema = {
  body: Type.Object({ order: Type.String(), sum: Type.Number() }),
}

/** `ownedOnly`: whether points can only be spent on orders that were uploaded before. */
export function withdrawRoute(
  instance: FastifyInstance,
  database: Database,
  ownedOnly: boolean,
): void {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()
  app.post("/api/user/balance/withdraw", { schema: withdrawSchema }, async (request, reply) => {
    const number = parseOrderNumber(request.body.order)
    if (number === undefined) return sendProblem(reply, "invalid_order_number")
    const value = pointsFromNumber(request.body.sum)
    if (value === undefined || value === NO_POINTS) return sendProblem(reply, "invalid_sum")
    const outcome = await withdraw(database, {
      userId: request.userId,
      // Ours alone: it lets the withdrawal be repeated when a connection breaks around its commit.
      idempotencyKey: randomUUID(),
      number,
      value,
      ownedOnly,
    })
    switch (outcome) {
      case "withdrawn":
      case "repeated":
        return reply.code(200).send()
      case "not_enough":
        return sendProblem(reply, "not_enough_points")
      case "not_owned":
        return sendProblem(reply, "order_not_yours")
      case "no_user":
        return sendProblem(reply, "unauthenticated")
      case "key_reused":
        throw new Error("a fresh key cannot have been used")
    }
  })
}

const WithdrawalSchema = Type.Object({
  order: Type.String(),
  sum: Type.Number(),
  processed_at: Type.String({ format: "date-time" }),
})

export function withdrawalListRoute(app: FastifyInstance, database: Database): void {
  const schema = { response: { 200: Type.Array(WithdrawalSchema) } }
  const options = { schema, handlerTimeout: LIST_TIMEOUT_MS }
  app.get("/api/user/withdrawals", options, (request, reply) =>
    sendList(
      reply,
      (after) => readWithdrawals(database, request.userId, after?.version),
      showWithdrawal,
    ),
  )
}

function readWithdrawals(database: Database, userId: bigint, before: bigint | undefined) {
  return database.withdrawal.findMany({
    where: { userId, ...(before === undefined ? {} : { version: { lt: before } }) },
    orderBy: { version: "desc" },
    select: { version: true, value: true, createdAt: true, order: { select: { number: true } } },
    take: ITEMS_PER_PAGE,
  })
}

type WithdrawalRow = Awaited<ReturnType<typeof readWithdrawals>>[number]

function showWithdrawal(row: WithdrawalRow): Static<typeof WithdrawalSchema> {
  return {
    order: row.order.number,
    sum: pointsToNumber(pointsFromDecimal(row.value)),
    processed_at: row.createdAt.toISOString(),
  }
}
