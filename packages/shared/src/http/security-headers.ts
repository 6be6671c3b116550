import type { FastifyInstance } from "fastify"
import helmet from "helmet"

/** Answers are data; nothing in them is to be run or shown as a page. */
const DATA_POLICY = {
  useDefaults: false,
  directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
}

/** What a page sends instead. Nothing in it is from elsewhere; its styles are partly in the page. */
export const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; " +
  "font-src 'self'; style-src 'self' 'unsafe-inline'; base-uri 'self'; form-action 'none'; " +
  "frame-ancestors 'none'"

/**
 * Gives every answer the headers that keep a browser from running it, guessing its type, or showing
 * it in another page. A page sends `PAGE_POLICY` as its `content-security-policy`.
 */
export function addSecurityHeaders(app: FastifyInstance): void {
  // Its plugin for Fastify makes the headers anew for each request, which costs as much as the route.
  const secure = helmet({ contentSecurityPolicy: DATA_POLICY })
  app.addHook("onRequest", (request, reply, done) => secure(request.raw, reply.raw, () => done()))
}
