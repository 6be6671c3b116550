import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox"
import { atOnceFor } from "@gofermart/shared/http/network.ts"
import type { FastifyInstance } from "fastify"
import { Type } from "typebox"
import { TOKEN_NEEDED } from "../http/description.ts"
import { sendProblem } from "../http/problems.ts"
import { problems } from "../http/responses.ts"
import { passwordDefects, PasswordSchema } from "./credentials.ts"
import { isGuessable } from "./guessable.ts"
import { logFailure } from "./login-throttle.ts"
import type { AuthParts } from "./parts.ts"
import { tellAttempts } from "./throttle.ts"
import { sendToken, TOKEN_ANSWER } from "./token-answer.ts"
import { replacePassword } from "./users.ts"

const schema = {
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
      "guessable_password",
      "unauthenticated",
      "cross_site",
      "wrong_password",
      "too_many_attempts",
      "too_many_at_once",
    ),
  },
}

export function passwordRoute(instance: FastifyInstance, parts: AuthParts): void {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()
  const { database, passwords, tokens, accounts, loginThrottle, loginsAtOnce } = parts

  app.put("/api/user/password", { schema }, (request, reply) => {
    const networks = atOnceFor(request.clientAddress)
    return loginsAtOnce.handle(reply, networks, async () => {
      const { password, new_password: replacement } = request.body
      const defects = passwordDefects("new_password", replacement, parts.passwordLengthMin)
      if (defects.length > 0) return sendProblem(reply, "malformed_request", defects)
      const user = await database.user.findFirst({ where: { id: request.userId } })
      if (user === null) return sendProblem(reply, "unauthenticated")
      if (isGuessable(replacement, user.login)) return sendProblem(reply, "guessable_password")
      const attempt = await loginThrottle.attempt(request.clientAddress, user.login, async () => {
        if (!(await passwords.matches(networks, password, user.password))) {
          logFailure(request, user.login, user.id)
          return undefined
        }
        const to = await passwords.hash(networks, replacement)
        return replacePassword(database, user.id, { from: user.password, to })
      })
      tellAttempts(reply, attempt)
      if (attempt.refused) return sendProblem(reply, "too_many_attempts")
      if (attempt.result === undefined) return sendProblem(reply, "wrong_password")
      accounts.forget(user.id)
      return sendToken(reply, tokens, attempt.result)
    })
  })
}
