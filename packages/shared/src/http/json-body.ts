import { isUtf8 } from "node:buffer"
import type { FastifyInstance } from "fastify"
import { readJsonText } from "./json-text.ts"
import { shownName } from "./shown-name.ts"

/** What writes a value calls itself for each level, `JSON.stringify` too, and the stack has an end. */
const BODY_LEVELS_MAX = 100
/** Each costs something, and no operation has more than a few. */
const BODY_KEYS_MAX = 500

declare module "fastify" {
  interface FastifyRequest {
    /** The numbers of a JSON body's outermost object, as they are written. */
    bodyNumbers: ReadonlyMap<string, string> | undefined
  }
}

/** A body that is not what it should be. Its message is a sentence for the client. */
export class BodyError extends Error {
  override name = "BodyError"
  readonly statusCode = 400
}

/**
 * Takes JSON bodies that mean one thing. JSON is UTF-8 (RFC 8259, section 8.1): other bytes would become
 * characters that nobody sent. Of two equal keys whoever stands before this server may have read the
 * other one (section 4).
 */
export function takeJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser("error", "error")
  app.decorateRequest("bodyNumbers")
  app.removeContentTypeParser("application/json")
  app.addContentTypeParser<Buffer>(
    "application/json",
    { parseAs: "buffer" },
    (request, body, done) => {
      const type = request.headers["content-type"] ?? ""
      if (!isOfUtf8(type)) return done(new BodyError("The body's charset must be utf-8."))
      if (!isUtf8(body)) return done(new BodyError("The body is not UTF-8."))
      const text = body.toString()
      return void parse(request, text, (error, value) => {
        if (error !== null) return done(error)
        const { repeatedKey, keyCount, depth, numbers } = readJsonText(text, BODY_KEYS_MAX)
        if (depth > BODY_LEVELS_MAX) {
          return done(
            new BodyError(`The body is more than ${BODY_LEVELS_MAX} objects and arrays deep.`),
          )
        }
        if (keyCount > BODY_KEYS_MAX) {
          return done(
            new BodyError(`The objects of the body have more than ${BODY_KEYS_MAX} keys.`),
          )
        }
        if (repeatedKey !== undefined) {
          const name = shownName(repeatedKey)
          return done(new BodyError(`An object of the body has the key ${name} more than once.`))
        }
        request.bodyNumbers = numbers
        return done(null, value)
      })
    },
  )
}

/** Whether a content type names no other charset, in which the text would be another one. */
function isOfUtf8(type: string): boolean {
  const charsets = type.matchAll(/;\s*charset\s*=\s*"?([^\s;"]*)/gi)
  return charsets.every(([, charset = ""]) => /^utf-?8$/i.test(charset))
}
