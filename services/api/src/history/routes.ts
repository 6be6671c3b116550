import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox"
import type { Database } from "@gofermart/shared/db/client.ts"
import { pointsFromDecimal, pointsToNumber } from "@gofermart/shared/domain/points.ts"
import type { FastifyInstance } from "fastify"
import { Type, type Static } from "typebox"
import { TOKEN_NEEDED } from "../http/description.ts"
import {
  CONDITION,
  LIST_HEADERS,
  LIST_TIMEOUT_MS,
  type List,
  PageQuerySchema,
  sendList,
} from "../http/list.ts"
import { csvFormat, JSON_FORMAT } from "../http/list-formats.ts"
import { NOT_MODIFIED, nothing, problems } from "../http/responses.ts"
import { type Line, readMovesBefore } from "./lines.ts"
import { byVersion } from "./versions.ts"

const TransactionSchema = Type.Object(
  {
    version: Type.Integer({ description: "of the account; the only order of events there is" }),
    type: Type.Enum(["accrual", "withdrawal"], { type: "string" }),
    order: Type.String(),
    amount: Type.Number({ description: "what the balance grew by; negative for a withdrawal" }),
    balance: Type.Number({ description: "after this line" }),
    processed_at: Type.String({ format: "date-time" }),
  },
  {
    $id: "Transaction",
    examples: [
      {
        version: 2,
        type: "withdrawal",
        order: "2377225624",
        amount: -100.01,
        balance: 629.97,
        processed_at: "2026-11-22T10:15:30.123Z",
      },
    ],
  },
)
type Transaction = Static<typeof TransactionSchema>

const COLUMNS = ["version", "type", "order", "amount", "balance", "processed_at"]
const CSV_FORMAT = csvFormat(COLUMNS)

const schema = {
  operationId: "listTransactions",
  summary: "What explains the balance",
  description:
    "Accruals and withdrawals in one list, newest first, each with the balance after it: the first " +
    "line's is the balance, and the amounts add up to it. `Accept: text/csv` gives the same as CSV. " +
    "Orders that earned nothing are not in it.",
  tags: ["points"],
  security: TOKEN_NEEDED,
  querystring: PageQuerySchema,
  headers: Type.Object(CONDITION),
  response: {
    200: {
      description: "the lines",
      headers: LIST_HEADERS,
      content: {
        "application/json": {
          schema: Type.Array(Type.Unsafe<Transaction>({ $ref: "Transaction#" })),
        },
        "text/csv": { schema: Type.String({ description: `${COLUMNS.join(",")}; RFC 4180` }) },
      },
    },
    304: NOT_MODIFIED,
    204: nothing("there are none yet"),
    ...problems("unauthenticated"),
  },
}

export function transactionRoute(instance: FastifyInstance, database: Database): void {
  instance.addSchema(TransactionSchema)
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()
  const options = { schema, handlerTimeout: LIST_TIMEOUT_MS }
  app.get("/api/user/transactions", options, async (request, reply) => {
    const format = request.accepts().type(["json", "csv"]) === "csv" ? CSV_FORMAT : JSON_FORMAT
    reply.header("vary", "accept")
    await sendList(request, reply, transactions(database, request.userId), format)
    return reply
  })
}

function transactions(database: Database, userId: bigint): List<Line, bigint> {
  return {
    ...byVersion(database, userId),
    read: (after, limit) => readMovesBefore(database, userId, after, limit),
    show: showTransaction,
  }
}

function showTransaction(line: Line): Transaction {
  const amount = line.value === null ? 0 : pointsToNumber(pointsFromDecimal(line.value))
  return {
    version: Number(line.version),
    type: line.status === null ? "withdrawal" : "accrual",
    order: line.number,
    amount: line.status === null ? -amount : amount,
    balance: pointsToNumber(pointsFromDecimal(line.balanceAfter)),
    processed_at: line.at.toISOString(),
  }
}
