import { Readable } from "node:stream"
import type { FastifyReply } from "fastify"

/** For a slow reader to take a whole list; the database is asked only as fast as it reads. */
export const LIST_TIMEOUT_MS = 600_000

/** Items read from the database at once. */
export const ITEMS_PER_PAGE = 1_000

/**
 * Answers with a whole list as one JSON array, read and sent in pages, so that its length costs no
 * memory: 204 when it is empty. `readPage` gets the last item of the page before.
 */
export async function sendList<Item, Shown>(
  reply: FastifyReply,
  readPage: (after: Item | undefined) => Promise<Item[]>,
  show: (item: Item) => Shown,
): Promise<FastifyReply> {
  const first = await readPage(undefined)
  if (first.length === 0) return reply.code(204).send()
  if (first.length < ITEMS_PER_PAGE) return reply.send(first.map(show))
  const array = Readable.from(arrayText(first, readPage, show))
  return reply.type("application/json; charset=utf-8").send(array)
}

async function* arrayText<Item, Shown>(
  first: Item[],
  readPage: (after: Item) => Promise<Item[]>,
  show: (item: Item) => Shown,
): AsyncGenerator<string> {
  yield "["
  let page = first
  let separator = ""
  while (page.length > 0) {
    yield separator + page.map((item) => JSON.stringify(show(item))).join(",")
    separator = ","
    const last = page.at(-1)
    if (last === undefined || page.length < ITEMS_PER_PAGE) break
    page = await readPage(last)
  }
  yield "]"
}
