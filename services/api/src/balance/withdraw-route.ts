import { randomUUID } from "node:crypto"
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox"
import type { Database } from "@gofermart/shared/db/client.ts"
import { parseNewOrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { NO_POINTS, pointsFromSource } from "@gofermart/shared/domain/points.ts"
import { withdraw } from "@gofermart/shared/ledger/withdraw.ts"
import type { FastifyInstance, preValidationHookHandler } from "fastify"
import { Counter } from "prom-client"
import { Type } from "typebox"
import { TOKEN_NEEDED } from "../http/description.ts"
import { sendProblem } from "../http/problems.ts"
import { nothing, problems } from "../http/responses.ts"
import type { UserTurns } from "../http/user-turns.ts"

const withdrawals = new Counter({
  name: "gofermart_withdrawals_total",
  help: "Withdrawals, by what came of them.",
  labelNames: ["outcome"],
})
const withdrawnPoints = new Counter({
  name: "gofermart_points_withdrawn_hundredths_total",
  help: "Points that were withdrawn through this process, in hundredths.",
})

const IDEMPOTENCY_KEY_LENGTH_MAX = 255
/** Of an order's number and a sum, which need far less. */
const WITHDRAWAL_BYTES_MAX = 16_384

const schema = {
  operationId: "withdraw",
  summary: "Pay for an order with points",
  description:
    "All or nothing. With an `Idempotency-Key` the same request can be sent again, also at the same " +
    "time: it debits once and gets the first success again. Only a success is remembered: a refused " +
    "withdrawal may be tried again under its key.",
  tags: ["points"],
  security: TOKEN_NEEDED,
  headers: Type.Object({
    "idempotency-key": Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: IDEMPOTENCY_KEY_LENGTH_MAX,
        // So look two keys that a library or a proxy has joined.
        pattern: "^[^,]*$",
        description: `text of 1 to ${IDEMPOTENCY_KEY_LENGTH_MAX} characters without a comma, which stands for this one withdrawal, such as a UUID`,
      }),
    ),
  }),
  body: Type.Object(
    {
      order: Type.String({ description: "the order that is paid for" }),
      sum: Type.Number({
        description:
          "points, positive, at most two decimals; counts as it is written, to the last digit",
      }),
    },
    { examples: [{ order: "2377225624", sum: 100.01 }] },
  ),
  response: {
    200: nothing("withdrawn"),
    ...problems(
      "unauthenticated",
      "not_enough_points",
      "cross_site",
      "invalid_order_number",
      "order_not_yours",
      "invalid_sum",
      "idempotency_key_reused",
    ),
  },
}

/**
 * The sum's text is what counts. To the schema it is a number also where no double holds it: `1e309`
 * would be `Infinity`, which is none.
 */
const preValidation: preValidationHookHandler = (request, _reply, done) => {
  if (request.bodyNumbers?.has("sum") === true) {
    const body = request.body as { sum: number }
    body.sum = Math.min(Math.max(body.sum, -Number.MAX_VALUE), Number.MAX_VALUE)
  }
  done()
}

/** `ownedOnly`: whether points can only be spent on orders that were uploaded before. */
export function withdrawRoute(
  instance: FastifyInstance,
  { database, userTurns }: { database: Database; userTurns: UserTurns },
  ownedOnly: boolean,
): void {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()
  const options = { schema, preValidation, bodyLimit: WITHDRAWAL_BYTES_MAX }
  app.post("/api/user/balance/withdraw", options, async (request, reply) => {
    const number = parseNewOrderNumber(request.body.order)
    if (number === undefined) return sendProblem(reply, "invalid_order_number")
    const value = pointsFromSource(request.bodyNumbers?.get("sum") ?? "")
    if (value === undefined || value === NO_POINTS) return sendProblem(reply, "invalid_sum")
    const { userId } = request
    // One of ours lets the withdrawal be repeated when a connection breaks around its commit.
    const idempotencyKey = request.headers["idempotency-key"] ?? randomUUID()
    const outcome = await userTurns.withdrawal(userId, () =>
      withdraw(database, { userId, idempotencyKey, number, value, ownedOnly }),
    )
    withdrawals.inc({ outcome })
    if (outcome === "withdrawn") withdrawnPoints.inc(value)
    switch (outcome) {
      case "withdrawn":
      case "repeated":
        return reply.code(200).send()
      case "not_enough":
        return sendProblem(reply, "not_enough_points")
      case "not_owned":
        return sendProblem(reply, "order_not_yours")
      case "key_reused":
        return sendProblem(reply, "idempotency_key_reused")
      case "no_user":
        return sendProblem(reply, "unauthenticated")
    }
  })
}
