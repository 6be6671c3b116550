import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify"
import { schemeOf } from "@gofermart/shared/http/scheme.ts"
import { isCrossSite } from "@gofermart/shared/operator/cross-site.ts"
import { sendProblem } from "../http/problems.ts"
import type { Accounts } from "./accounts.ts"
import type { Tokens, VerifiedToken } from "./tokens.ts"

declare module "fastify" {
  interface FastifyRequest {
    /** Who asks; set by the authentication that the route asked for. */
    userId: bigint
    /** What the request was authenticated with. */
    token: VerifiedToken
  }
}

/** The `__Host-` prefix binds a cookie to this host and https; browsers refuse it without https. */
export function cookieName(request: FastifyRequest): string {
  return schemeOf(request) === "https" ? "__Host-gofermart" : "gofermart"
}

/** Makes every route of this instance answer 401 without a valid token, in a header or a cookie. */
export function requireUser(app: FastifyInstance, tokens: Tokens, accounts: Accounts): void {
  app.decorateRequest("userId", 0n)
  app.decorateRequest("token")
  app.addHook("onRequest", async (request, reply): Promise<FastifyReply | undefined> => {
    const { authorization = "" } = request.headers
    const cookie = cookieName(request)
    // What a browser sends for another scheme, such as a proxy's Basic, is no attempt at ours.
    const isByCookie = !/^Bearer(?:\s|$)/i.test(authorization)
    const token = isByCookie
      ? unquoted(request.cookies[cookie])
      : /^Bearer +(\S+)$/i.exec(authorization)?.[1]
    if (token === undefined) return sendProblem(reply, "unauthenticated")
    if (isByCookie && isCrossSite(request)) return sendProblem(reply, "cross_site")
    if (isByCookie && isRepeated(cookie, request.headers.cookie)) {
      const sentence = `The cookie ${cookie} may be sent once, and was sent more often.`
      return sendProblem(reply, "malformed_request", sentence)
    }
    const verified = await tokens.verify(token)
    if (verified === undefined || !(await accounts.accepts(verified))) {
      return sendProblem(reply, "unauthenticated")
    }
    request.userId = verified.userId
    request.token = verified
    return undefined
  })
}

/** Some clients send a cookie's value in quotes, which are no part of it (RFC 6265, section 4.1.1). */
function unquoted(value: string | undefined): string | undefined {
  return value?.replace(/^"(.*)"$/, "$1")
}

/**
 * Whether a cookie occurs twice. A browser has one of ours; a second one was set by somebody else,
 * such as another host of the same domain, and could make what one user does another one's.
 */
function isRepeated(name: string, header = ""): boolean {
  const names = header.split(";").map((pair) => pair.split("=", 1)[0]?.trim())
  return names.indexOf(name) !== names.lastIndexOf(name)
}
