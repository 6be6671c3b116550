import { schemeOf } from "@gofermart/shared/http/scheme.ts"
import type { FastifyReply, FastifyRequest } from "fastify"
import { Type } from "typebox"
import { LIMIT_HEADERS } from "../http/rate-limit-headers.ts"
import { nothing } from "../http/responses.ts"
import { cookieName } from "./authenticate.ts"
import type { Tokens } from "./tokens.ts"
import type { DatedUser } from "./users.ts"

export const TokenSchema = Type.Object(
  {
    access_token: Type.String({ description: "a JWT" }),
    token_type: Type.Literal("Bearer"),
    expires_in: Type.Integer({ description: "seconds" }),
  },
  {
    $id: "Token",
    examples: [{ access_token: "eyJhbGciOi…", token_type: "Bearer", expires_in: 86_400 }],
  },
)

/** Describes the answer with a token. */
export const TOKEN_ANSWER = {
  description:
    "a token, in the body, in a header and in a cookie; either of the two may be sent back",
  headers: {
    authorization: { type: "string", description: "`Bearer` and the token" },
    "set-cookie": { type: "string", description: "the token, for browsers; not for scripts" },
    ...LIMIT_HEADERS,
  },
  content: { "application/json": { schema: { $ref: "Token#" } } },
}

/** Answers with a new token of the user's. */
export async function sendToken(
  reply: FastifyReply,
  tokens: Tokens,
  user: DatedUser,
): Promise<FastifyReply> {
  const token = await tokens.issue(user.id, user.asOf)
  const lifetimeS = Math.floor(tokens.lifetimeMs / 1_000)
  return reply
    .header("authorization", `Bearer ${token}`)
    .header("cache-control", "no-store")
    .setCookie(cookieName(reply.request), token, {
      ...cookieAttributes(reply.request),
      maxAge: lifetimeS,
    })
    .send({ access_token: token, token_type: "Bearer", expires_in: lifetimeS })
}

/** Describes the answer that makes a browser forget its token. */
export const NO_TOKEN_ANSWER = {
  ...nothing("logged out"),
  headers: { "set-cookie": { type: "string", description: "takes the token away, for browsers" } },
}

/** Makes a browser forget its token. */
export function clearToken(reply: FastifyReply): void {
  reply.clearCookie(cookieName(reply.request), cookieAttributes(reply.request))
}

/** A browser takes a cookie for another one unless all of these are the same. */
function cookieAttributes(request: FastifyRequest) {
  const secure = schemeOf(request) === "https"
  return { path: "/", httpOnly: true, sameSite: "lax", secure } as const
}
