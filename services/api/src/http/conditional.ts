import fastifyEtag from "@fastify/etag"
import type { FastifyInstance } from "fastify"
import fresh from "fresh"

/**
 * Gives every good answer of this instance's routes a tag, and answers 304 to a client that has it.
 * A route that sends a stream names its own tag.
 */
export async function answerConditionally(app: FastifyInstance): Promise<void> {
  // The plugin's own 304 knows no list of tags, which RFC 9110, section 13.1.2, has.
  await app.register(fastifyEtag, { weak: true, replyWith304: false })
  app.addHook("onSend", async (request, reply, payload: unknown) => {
    if (reply.statusCode !== 200) {
      reply.removeHeader("etag")
      return payload
    }
    const etag = reply.getHeader("etag")
    // Without cache-control: fetch sends `no-cache` along with a condition of the caller's own.
    const condition = { "if-none-match": request.headers["if-none-match"] }
    if (typeof etag !== "string" || !fresh(condition, { etag })) return payload
    reply.code(304).removeHeader("content-type")
    // Of a HEAD the framework sends what the content's length would have been, and no content.
    return request.method === "HEAD" ? payload : null
  })
}
