import { isUtf8 } from "node:buffer"
import type { FastifyInstance } from "fastify"

class NotUtf8Error extends Error {
  readonly statusCode = 400
}

/** JSON is UTF-8 (RFC 8259, section 8.1): other bytes would become characters that nobody sent. */
export function takeJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser("error", "error")
  app.removeContentTypeParser("application/json")
  app.addContentTypeParser<Buffer>(
    "application/json",
    { parseAs: "buffer" },
    (request, body, done) => {
      if (!isUtf8(body)) done(new NotUtf8Error("the body is not UTF-8"))
      else void parse(request, body.toString(), done)
    },
  )
}
