import { Readable } from "node:stream"
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox"
import type { Database } from "@gofermart/shared/db/client.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import type { FastifyInstance, FastifyReply } from "fastify"
import { Type } from "typebox"
import { parseVersion, readVersion } from "../history/versions.ts"
import { TOKEN_NEEDED } from "../http/description.ts"
import { OverloadedError } from "../http/errors.ts"
import { whenGone } from "../http/gone.ts"
import { tellLimit } from "../http/limit-fields.ts"
import { sendProblem } from "../http/problems.ts"
import { problems } from "../http/responses.ts"
import { Lookout } from "../watch/lookout.ts"
import { Places } from "../watch/places.ts"
import { AccountEventSchema } from "./account-event.ts"
import { whenEnded } from "./ended.ts"
import { type Account, streamText } from "./stream.ts"

/** One query a second for the versions of everybody who follows their account. */
const LOOK_INTERVAL_MS = 1_000
const STREAMS_MAX = 10_000
const STREAMS_PER_USER_MAX = 10
const RETRY_STREAM_AFTER_S = 30
/** The longest time that a timer holds, 24 days: a stream ends with its token. */
const STREAM_TIMEOUT_MS = 2_147_483_647
const BUFFER_BYTES_MAX = 16_384

const schema = {
  operationId: "followEvents",
  summary: "Follow your account as it changes",
  description:
    "Server-Sent Events, one for each version of the account: `order` (an order was settled) and " +
    "`withdrawal`, with an AccountEvent as data and the version as id. It begins with what comes " +
    "from now on, or after `Last-Event-ID` without a gap or a repeat; `Last-Event-ID: 0` gives all " +
    "there was. It ends when the token expires or is revoked.",
  tags: ["points"],
  security: TOKEN_NEEDED,
  headers: Type.Object({
    "last-event-id": Type.Optional(
      Type.String({
        pattern: "^\\d{0,18}$",
        description: "the last version you know of; an EventSource sends it by itself",
      }),
    ),
  }),
  response: {
    200: {
      description: "the events, until it ends",
      content: { "text/event-stream": { schema: { type: "string" } } },
    },
    ...problems("unauthenticated", "too_many_streams"),
  },
}

export function eventRoute(instance: FastifyInstance, database: Database, logger: Logger): void {
  instance.addSchema(AccountEventSchema)
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()
  const look = (userIds: bigint[]) => readAccounts(database, userIds)
  const accounts = new Lookout(look, LOOK_INTERVAL_MS, logger)
  const openStreams = new Places({ allMax: STREAMS_MAX, perUserMax: STREAMS_PER_USER_MAX })
  const closing = new AbortController()
  app.addHook("preClose", async () => closing.abort())

  const options = {
    schema,
    handlerTimeout: STREAM_TIMEOUT_MS,
    exposeHeadRoute: false,
    // It would hold events back until there is enough to compress.
    compress: false as const,
  }
  app.get("/api/user/events", options, async (request, reply) => {
    const { token } = request
    const room = openStreams.roomFor(token.userId)
    if (room === "full") throw new OverloadedError("too many streams are open")
    if (room === "full_for_user") return refuseStream(reply)
    const gone = whenGone(reply)
    if (gone.aborted) return reply.hijack()
    gone.addEventListener("abort", openStreams.take(token.userId))

    const version = await readVersion(database, token.userId)
    if (version === undefined) return sendProblem(reply, "unauthenticated")
    const seen = parseVersion(request.headers["last-event-id"] ?? "") ?? version
    const after = seen < version ? seen : version
    const ended = whenEnded(reply, { expiresAt: token.expiresAt, closing: closing.signal, gone })
    const text = streamText({ database, logger, accounts, token, after, version, ended })
    return reply
      .type("text/event-stream")
      .header("cache-control", "no-store")
      .header("x-accel-buffering", "no")
      .send(Readable.from(text, { objectMode: false, highWaterMark: BUFFER_BYTES_MAX }))
  })
}

function refuseStream(reply: FastifyReply): FastifyReply {
  const limit = { name: "streams", max: STREAMS_PER_USER_MAX, remaining: 0 }
  tellLimit(reply, true, { ...limit, secondsLeft: RETRY_STREAM_AFTER_S })
  return sendProblem(reply, "too_many_streams")
}

async function readAccounts(database: Database, userIds: bigint[]): Promise<Map<bigint, Account>> {
  const rows = await database.$queryRaw<(Account & { userId: bigint })[]>`
    SELECT b.user_id AS "userId", b.version, u.tokens_valid_from AS "tokensValidFrom"
      FROM user_balances b JOIN users u ON u.id = b.user_id
     WHERE b.user_id = ANY (${userIds}::bigint[])`
  return new Map(rows.map((row) => [row.userId, row]))
}
