import { createHash } from "node:crypto"
import { Readable } from "node:stream"
import { atOnceFor } from "@gofermart/shared/http/network.ts"
import type { FastifyReply, FastifyRequest } from "fastify"
import { Type, type Static } from "typebox"
import { ConcurrencyLimiter } from "../watch/concurrency-limiter.ts"
import { OverloadedError } from "./errors.ts"
import { onDisconnect } from "./on-disconnect.ts"
import { TOKEN_NEEDED } from "./description.ts"
import { type Format, JSON_FORMAT } from "./list-formats.ts"
import { sendProblem } from "./problems.ts"
import { nothing, notModified, problems } from "./responses.ts"
import { ITEMS_PER_SHORT_READ_MAX } from "./user-turns.ts"

/** For a slow reader to take a whole list; the database is asked only as fast as it reads. */
export const LIST_TIMEOUT_MS = 600_000
/** Items of a long list that are read at once: a thousand would keep this process from others. */
const ITEMS_PER_READ_MAX = 1_000
/** Whole lists under way that did not end within a short read; one more is refused. */
const LONG_LISTS_MAX = 1_000
const LONG_LISTS_PER_NETWORK_MAX = 500
const LONG_LISTS_PER_USER_MAX = 64
const ITEMS_PER_PAGE_MAX = 1_000
/** For a page after a cursor whose size nobody named. */
const ITEMS_PER_PAGE_DEFAULT = 100
const CURSOR_LENGTH_MAX = 600
/** Of a hash in base64url: 132 bits. */
const TAG_LENGTH = 22

const PageQuerySchema = Type.Object({
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: ITEMS_PER_PAGE_MAX,
      description: "items in a page; without it and a cursor the whole list comes",
    }),
  ),
  cursor: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: CURSOR_LENGTH_MAX,
      description: "where the next page begins, from the `Link` header of the page before",
    }),
  ),
})

/** What a conditional read sends. */
export const CONDITION = {
  "if-none-match": Type.Optional(
    Type.String({ description: "an `ETag`: 304 while there is nothing new" }),
  ),
}

/** What such a read comes with, as the description has it. */
export const TAG_HEADER = { etag: { type: "string", description: "for `If-None-Match`" } }

/** The headers of a list, as the description has them. */
const LIST_HEADERS = {
  link: { type: "string", description: 'the next page, if there is one: `<…>; rel="next"`' },
  ...TAG_HEADER,
}

/** What the schemas of all lists have. `content`: of 200, by its media types; `none`: what 204 says. */
export function listSchema<Content>(
  description: string,
  content: Content,
  none = "there are none",
) {
  return {
    security: TOKEN_NEEDED,
    querystring: PageQuerySchema,
    headers: Type.Object(CONDITION),
    response: {
      200: { description, headers: LIST_HEADERS, content },
      304: notModified(LIST_HEADERS),
      204: nothing(none),
      ...problems("unauthenticated"),
    },
  }
}

/** A list of a user's, newest first. `Key` is what an item is found by: the place of a cursor. */
export interface List<Item, Key> {
  userId: bigint
  /** Reads at most `limit` items that come after `after`. */
  read: (after: Key | undefined, limit: number) => Promise<Item[]>
  keyOf: (item: Item) => Key
  writeKey: (key: Key) => string
  readKey: (text: string) => Key | undefined
  /** An item as the client sees it. */
  show: (item: Item) => Record<string, unknown>
  /** What is the same only as long as the whole list is the same; it costs much less to read. */
  readTag: () => Promise<string>
}

const longLists = new ConcurrencyLimiter({
  allMax: LONG_LISTS_MAX,
  perNetworkMax: LONG_LISTS_PER_NETWORK_MAX,
  perUserMax: LONG_LISTS_PER_USER_MAX,
})

type PageRequest = FastifyRequest<{ Querystring: Static<typeof PageQuerySchema> }>

/**
 * Answers with a list, or with the page of it that the query asks for: 204 when there is nothing.
 * A whole list is read and sent in pieces, so that its length costs no memory.
 */
export async function sendList<Item, Key>(
  request: PageRequest,
  reply: FastifyReply,
  list: List<Item, Key>,
  format: Format = JSON_FORMAT,
): Promise<FastifyReply> {
  const { limit, cursor } = request.query
  if (limit === undefined && cursor === undefined) return sendWhole(reply, list, format)
  const after = cursor === undefined ? undefined : list.readKey(decode(cursor))
  if (cursor !== undefined && after === undefined) {
    const detail = "The cursor is none that this list gave."
    return sendProblem(reply, "malformed_request", [{ detail, parameter: "cursor" }])
  }
  const size = limit ?? ITEMS_PER_PAGE_DEFAULT
  const items = await list.read(after, size + 1)
  const page = items.slice(0, size)
  const last = page.at(-1)
  if (last === undefined) return reply.code(204).send()
  if (items.length > size) {
    const next = encode(list.writeKey(list.keyOf(last)))
    const path = request.url.split("?", 1)[0] ?? ""
    reply.header("link", `<${path}?limit=${size}&cursor=${next}>; rel="next"`)
  }
  return sendItems(reply, page.map(list.show), format)
}

async function sendWhole<Item, Key>(
  reply: FastifyReply,
  list: List<Item, Key>,
  format: Format,
): Promise<FastifyReply> {
  const first = await list.read(undefined, ITEMS_PER_SHORT_READ_MAX)
  if (first.length === 0) return reply.code(204).send()
  if (first.length < ITEMS_PER_SHORT_READ_MAX) return sendItems(reply, first.map(list.show), format)
  const holder = { userId: list.userId, networks: atOnceFor(reply.request.clientAddress) }
  if (longLists.roomFor(holder) !== "yes") {
    throw new OverloadedError("too many long lists are under way")
  }
  const disconnected = onDisconnect(reply)
  if (disconnected.aborted) return reply.hijack()
  disconnected.addEventListener("abort", longLists.take(holder))
  // The list is read again after its tag: a tag may be older than its list, never newer.
  const tag = ownTag(list.show(first[0] as Item), await list.readTag())
  reply.header("etag", `W/"${format.name}-${tag}"`).type(format.type)
  const isHead = reply.request.method === "HEAD"
  return reply.send(Readable.from(isHead ? [] : pieces(list, format)))
}

/**
 * A list's tag counts changes, and another user's may have had as many. A browser that two people use
 * keeps the list of the one under the address that the other asks as well; so the tag has in it what is
 * in no other user's list, an order's number.
 */
function ownTag(newest: Record<string, unknown>, tag: string): string {
  const text = JSON.stringify([newest, tag])
  return createHash("sha256").update(text).digest("base64url").slice(0, TAG_LENGTH)
}

function sendItems(reply: FastifyReply, items: Record<string, unknown>[], format: Format) {
  const text = format.begin + format.write(items) + format.end
  return reply.type(format.type).serializer(String).send(text)
}

async function* pieces<Item, Key>(list: List<Item, Key>, format: Format): AsyncGenerator<string> {
  // What fails before the first piece is answered as any other failure.
  let items = await list.read(undefined, ITEMS_PER_READ_MAX)
  yield format.begin
  let separator = ""
  while (items.length > 0) {
    yield separator + format.write(items.map(list.show))
    separator = format.separator
    const last = items.at(-1)
    if (last === undefined || items.length < ITEMS_PER_READ_MAX) break
    items = await list.read(list.keyOf(last), ITEMS_PER_READ_MAX)
  }
  yield format.end
}

function encode(text: string): string {
  return Buffer.from(text).toString("base64url")
}

function decode(cursor: string): string {
  return Buffer.from(cursor, "base64url").toString()
}
