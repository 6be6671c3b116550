import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox"
import type { Database } from "@gofermart/shared/db/client.ts"
import { pointsFromDecimal, pointsToNumber } from "@gofermart/shared/domain/points.ts"
import type { FastifyInstance } from "fastify"
import { Type, type Static } from "typebox"
import { byVersion } from "../history/versions.ts"
import { TOKEN_NEEDED } from "../http/description.ts"
import {
  CONDITION,
  LIST_HEADERS,
  LIST_TIMEOUT_MS,
  type List,
  PageQuerySchema,
  sendList,
} from "../http/list.ts"
import { NOT_MODIFIED, nothing, problems } from "../http/responses.ts"

export const WithdrawalSchema = Type.Object(
  {
    order: Type.String(),
    sum: Type.Number(),
    processed_at: Type.String({ format: "date-time" }),
  },
  {
    $id: "Withdrawal",
    examples: [{ order: "2377225624", sum: 100.01, processed_at: "2026-11-22T10:15:30.123Z" }],
  },
)
type WithdrawalView = Static<typeof WithdrawalSchema>
export const WithdrawalRef = Type.Unsafe<WithdrawalView>({ $ref: "Withdrawal#" })

const schema = {
  operationId: "listWithdrawals",
  summary: "What you have paid with points, newest first",
  tags: ["points"],
  security: TOKEN_NEEDED,
  querystring: PageQuerySchema,
  headers: Type.Object(CONDITION),
  response: {
    200: {
      description: "the withdrawals",
      headers: LIST_HEADERS,
      content: {
        "application/json": { schema: Type.Array(WithdrawalRef) },
      },
    },
    304: NOT_MODIFIED,
    204: nothing("there are none"),
    ...problems("unauthenticated"),
  },
}

export function withdrawalListRoute(instance: FastifyInstance, database: Database): void {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()
  const options = { schema, handlerTimeout: LIST_TIMEOUT_MS }
  app.get("/api/user/withdrawals", options, async (request, reply) => {
    await sendList(request, reply, withdrawalList(database, request.userId))
    return reply
  })
}

function withdrawalList(database: Database, userId: bigint): List<WithdrawalRow, bigint> {
  return {
    ...byVersion(database, userId),
    read: (after, limit) => readWithdrawals(database, userId, after, limit),
    show: ({ order, value, createdAt }) => showWithdrawal(order.number, value, createdAt),
  }
}

function readWithdrawals(
  database: Database,
  userId: bigint,
  before: bigint | undefined,
  limit: number,
) {
  return database.withdrawal.findMany({
    where: { userId, ...(before === undefined ? {} : { version: { lt: before } }) },
    orderBy: { version: "desc" },
    select: { version: true, value: true, createdAt: true, order: { select: { number: true } } },
    take: limit,
  })
}

type WithdrawalRow = Awaited<ReturnType<typeof readWithdrawals>>[number]

/** A withdrawal as its user sees it. */
export function showWithdrawal(
  number: string,
  value: { toFixed(decimals: number): string },
  at: Date,
): WithdrawalView {
  return {
    order: number,
    sum: pointsToNumber(pointsFromDecimal(value)),
    processed_at: at.toISOString(),
  }
}
