import { Readable } from "node:stream"
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox"
import { type Database, sql } from "@gofermart/shared/db/client.ts"
import { msOf } from "@gofermart/shared/db/instants.ts"
import { atOnceFor } from "@gofermart/shared/http/network.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import type { FastifyInstance, FastifyReply } from "fastify"
import { Type } from "typebox"
import { type HistoryParts, parseVersion, readVersion } from "../history/versions.ts"
import type { Accounts } from "../auth/accounts.ts"
import { TOKEN_NEEDED } from "../http/description.ts"
import { OverloadedError } from "../http/errors.ts"
import { onDisconnect } from "../http/on-disconnect.ts"
import { setRateLimitHeaders } from "../http/rate-limit-headers.ts"
import { sendProblem } from "../http/problems.ts"
import { problems } from "../http/responses.ts"
import { Poller } from "../watch/poller.ts"
import { AccountEventSchema, EVENTS_SAID } from "./account-event.ts"
import { whenEnded } from "./ended.ts"
import { OpenStreams } from "./open-streams.ts"
import { type Account, streamText } from "./stream.ts"
import { UnansweredConnections } from "./unanswered.ts"

/** One query a second for the versions of everybody who follows their account. */
const POLL_INTERVAL_MS = 1_000
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
    "Server-Sent Events, one for each version of the account: " +
    `${new Intl.ListFormat("en").format(Object.values(EVENTS_SAID))}, with an AccountEvent as data and the version as id. ` +
    "It begins with what comes from now on, or after `Last-Event-ID` without a gap or a repeat; " +
    "`Last-Event-ID: 0` gives all " +
    "there was. It ends when the token expires or is revoked, and when you open more streams than one " +
    `user may have, ${STREAMS_PER_USER_MAX}: the newest takes the place of the oldest. It may end at other ` +
    "times, and is then to be resumed.",
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

export function eventsRoute(
  instance: FastifyInstance,
  { database, userTurns, streamsPerNetworkMax }: HistoryParts & { streamsPerNetworkMax: number },
  sessions: Accounts,
  logger: Logger,
): void {
  instance.addSchema(AccountEventSchema)
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()
  const look = (userIds: bigint[]) => readAccounts(database, userIds)
  const accounts = new Poller(
    look,
    { name: "followed_accounts", intervalMs: POLL_INTERVAL_MS },
    logger,
  )
  const openStreams = new OpenStreams({
    allMax: STREAMS_MAX,
    perNetworkMax: streamsPerNetworkMax,
    perUserMax: STREAMS_PER_USER_MAX,
  })
  const unanswered = new UnansweredConnections(logger)
  const closing = new AbortController()
  app.addHook("preClose", async () => closing.abort())

  const options = {
    schema,
    handlerTimeout: STREAM_TIMEOUT_MS,
    // It would hold events back until there is enough to compress.
    compress: false as const,
  }
  app.get("/api/user/events", options, async (request, reply) => {
    const { token } = request
    // It takes nobody's place.
    if (request.method === "HEAD") return sendStream(reply, [])
    const disconnected = onDisconnect(reply)
    if (disconnected.aborted) return reply.hijack()
    const replacement = new AbortController()
    const holder = { userId: token.userId, networks: atOnceFor(request.clientAddress) }
    const leave = openStreams.open(holder, () => replacement.abort())
    if (leave === "full_for_network") return refuseStream(reply, streamsPerNetworkMax)
    if (typeof leave === "string") throw new OverloadedError("too many streams are open")
    disconnected.addEventListener("abort", leave)

    const version = await userTurns.short(token.userId, () => readVersion(database, token.userId))
    if (version === undefined) return sendProblem(reply, "unauthenticated")
    const seen = parseVersion(request.headers["last-event-id"] ?? "") ?? version
    const after = seen < version ? seen : version
    const replaced = replacement.signal
    const ended = whenEnded(reply, {
      expiresAt: token.expiresAt,
      closing: closing.signal,
      replaced,
      disconnected,
      unanswered,
    })
    const isEnded = () => sessions.isEnded(token)
    const place = { isEnded, token, after, version, ended, replaced }
    const text = streamText({ database, userTurns, logger, accounts, ...place })
    return sendStream(reply, text)
  })
}

function sendStream(reply: FastifyReply, text: Iterable<string> | AsyncIterable<string>) {
  return reply
    .type("text/event-stream")
    .header("cache-control", "no-store")
    .header("x-accel-buffering", "no")
    .send(Readable.from(text, { objectMode: false, highWaterMark: BUFFER_BYTES_MAX }))
}

function refuseStream(reply: FastifyReply, max: number): FastifyReply {
  const limit = { name: "streams-of-a-network", max, remaining: 0 }
  setRateLimitHeaders(reply, true, { ...limit, secondsLeft: RETRY_STREAM_AFTER_S })
  return sendProblem(reply, "too_many_streams")
}

async function readAccounts(database: Database, userIds: bigint[]): Promise<Map<bigint, Account>> {
  const rows = await database.$queryRaw<{ userId: bigint; version: bigint; validFromMs: bigint }[]>`
    SELECT b.user_id AS "userId", b.version,
           ${msOf(sql`u.tokens_valid_from`)} AS "validFromMs"
      FROM user_balances b JOIN users u ON u.id = b.user_id
     WHERE b.user_id = ANY (${userIds}::bigint[])`
  return new Map(
    rows.map(({ userId, version, validFromMs }) => [
      userId,
      { version, tokensValidFromMs: Number(validFromMs) },
    ]),
  )
}
