import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox"
import { type Line, readLinesBefore, VERSION_MAX } from "@gofermart/shared/ledger/history.ts"
import type { FastifyInstance } from "fastify"
import { Type } from "typebox"
import { LIST_TIMEOUT_MS, type List, listSchema, sendList } from "../http/list.ts"
import { mediaTypeFor } from "../http/media-types.ts"
import { csvFormat, JSON_FORMAT } from "../http/list-formats.ts"
import { showTransaction, type Transaction, TransactionSchema } from "./transaction.ts"
import { byVersion, type HistoryParts } from "./versions.ts"

/** A column for each property of a line. */
const COLUMNS = Object.keys(TransactionSchema.properties)
const CSV_FORMAT = csvFormat(COLUMNS)
const [JSON_TYPE, CSV_TYPE] = ["application/json", "text/csv"] as const

const schema = {
  operationId: "listTransactions",
  summary: "What explains the balance",
  description:
    "Accruals and withdrawals in one list, newest first, each with the balance after it: the first " +
    "line's is the balance, and the amounts add up to it. `Accept: text/csv` gives the same as CSV. " +
    "Orders that earned nothing are not in it.",
  tags: ["points"],
  ...listSchema(
    "the lines",
    {
      [JSON_TYPE]: { schema: Type.Array(Type.Unsafe<Transaction>({ $ref: "Transaction#" })) },
      [CSV_TYPE]: { schema: Type.String({ description: `${COLUMNS.join(",")}; RFC 4180` }) },
    },
    "there are none yet",
  ),
}

export function transactionsRoute(instance: FastifyInstance, parts: HistoryParts): void {
  instance.addSchema(TransactionSchema)
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()
  const options = { schema, handlerTimeout: LIST_TIMEOUT_MS }
  app.get("/api/user/transactions", options, async (request, reply) => {
    const wanted = mediaTypeFor(request, [JSON_TYPE, CSV_TYPE])
    const format = wanted === CSV_TYPE ? CSV_FORMAT : JSON_FORMAT
    reply.header("vary", "accept, accept-encoding")
    await sendList(request, reply, transactions(parts, request.userId), format)
    return reply
  })
}

function transactions(parts: HistoryParts, userId: bigint): List<Line, bigint> {
  const { database, userTurns } = parts
  return {
    ...byVersion(parts, userId),
    read: (after, limit) =>
      userTurns.items(userId, limit, () =>
        readLinesBefore(database, userId, after ?? VERSION_MAX, limit, "movedPoints"),
      ),
    show: showTransaction,
  }
}
