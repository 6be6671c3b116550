import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify"
import { isCrossSite } from "@gofermart/shared/operators/cross-site.ts"
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
  return request.protocol === "https" ? "__Host-gofermart" : "gofermart"
}

/** Makes every route of this instance answer 401 without a valid token, in a header or a cookie. */
export function requireUser(app: FastifyInstance, tokens: Tokens, accounts: Accounts): void {
  app.decorateRequest("userId", 0n)
  app.decorateRequest("token")
  app.addHook("onRequest", async (request, reply): Promise<FastifyReply | undefined> => {
    const { authorization } = request.headers
    const token =
      authorization === undefined
        ? request.cookies[cookieName(request)]
        : /^Bearer +(\S+)$/i.exec(authorization)?.[1]
    if (token === undefined) return sendProblem(reply, "unauthenticated")
    if (authorization === undefined && isCrossSite(request)) return sendProblem(reply, "cross_site")
    const verified = await tokens.verify(token)
    if (verified === undefined || !(await accounts.accepts(verified))) {
      return sendProblem(reply, "unauthenticated")
    }
    request.userId = verified.userId
    request.token = verified
    return undefined
  })
}
