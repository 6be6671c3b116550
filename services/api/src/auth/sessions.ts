import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox"
import type { FastifyInstance } from "fastify"
import { Type } from "typebox"
import { TOKEN_NEEDED } from "../http/description.ts"
import { sendProblem } from "../http/problems.ts"
import { nothing, problems } from "../http/responses.ts"
import { passwordFault, PasswordSchema } from "./credentials.ts"
import type { AuthParts } from "./routes.ts"
import { tellAttempts } from "./throttle.ts"
import { clearToken, sendToken, TOKEN_ANSWER, TokenSchema } from "./token-answer.ts"
import { endTokens, replacePassword } from "./users.ts"

const logoutSchema = {
  operationId: "logOut",
  summary: "Log out",
  description:
    "Makes a browser forget the cookie. With `everywhere=true` every token that was issued before " +
    "is refused from now on, within seconds on every server.",
  tags: ["account"],
  security: TOKEN_NEEDED,
  querystring: Type.Object({ everywhere: Type.Optional(Type.Boolean()) }),
  response: {
    204: nothing("logged out"),
    ...problems("unauthenticated", "cross_site"),
  },
}

function logoutRoute(instance: FastifyInstance, { database, accounts }: AuthParts): void {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()
  app.post("/api/user/logout", { schema: logoutSchema }, async (request, reply) => {
    if (request.query.everywhere === true) {
      await endTokens(database, request.userId)
      accounts.forget(request.userId)
    }
    clearToken(reply)
    return reply.code(204).send()
  })
}

const passwordSchema = {
  operationId: "changePassword",
  summary: "Change the password",
  description:
    "Every token that was issued before is refused from now on, within seconds on every server; " +
    "the answer carries a new one. A wrong present password counts as a failed login.",
  tags: ["account"],
  security: TOKEN_NEEDED,
  body: Type.Object({ password: PasswordSchema, new_password: PasswordSchema }),
  response: {
    200: TOKEN_ANSWER,
    ...problems(
      "unauthenticated",
      "cross_site",
      "wrong_password",
      "body_too_large",
      "too_many_attempts",
    ),
  },
}

function passwordRoute(instance: FastifyInstance, parts: AuthParts): void {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()
  const { database, passwords, tokens, accounts, loginThrottle } = parts

  app.put("/api/user/password", { schema: passwordSchema }, async (request, reply) => {
    const { password, new_password: replacement } = request.body
    const fault = passwordFault(replacement, parts.passwordLengthMin)
    if (fault !== undefined) return sendProblem(reply, "malformed_request", fault)
    const user = await database.user.findUnique({ where: { id: request.userId } })
    if (user === null) return sendProblem(reply, "unauthenticated")
    const attempt = await loginThrottle.attempt(request.ip, user.login, async () => {
      if (!(await passwords.matches(password, user.password))) return undefined
      const to = await passwords.hash(replacement)
      return replacePassword(database, user.id, { from: user.password, to })
    })
    tellAttempts(reply, attempt)
    if (attempt.refused) return sendProblem(reply, "too_many_attempts")
    if (attempt.result === undefined) return sendProblem(reply, "wrong_password")
    accounts.forget(user.id)
    return sendToken(reply, tokens, attempt.result)
  })
}

/** What a user may do to their own sessions. */
export function sessionRoutes(app: FastifyInstance, parts: AuthParts): void {
  app.addSchema(TokenSchema)
  logoutRoute(app, parts)
  passwordRoute(app, parts)
}
