import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox"
import { atOnceFor } from "@gofermart/shared/http/network.ts"
import type { FastifyInstance } from "fastify"
import { sendProblem } from "../http/problems.ts"
import { problems } from "../http/responses.ts"
import { CREDENTIALS_BYTES_MAX, CredentialsSchema, readCredentials } from "./credentials.ts"
import { logFailure } from "./login-throttle.ts"
import type { AuthParts } from "./parts.ts"
import { tellAttempts } from "./throttle.ts"
import { sendToken, TOKEN_ANSWER } from "./token-answer.ts"
import { findUser } from "./users.ts"

const schema = {
  operationId: "logIn",
  summary: "Log in",
  description:
    "Too many failed attempts, for one login from one address or from one address altogether, " +
    "make it refuse further ones from there for a while; those that succeed do not count.",
  tags: ["account"],
  body: CredentialsSchema,
  response: {
    200: TOKEN_ANSWER,
    ...problems("wrong_credentials", "too_many_attempts", "too_many_at_once"),
  },
}

export function loginRoute(instance: FastifyInstance, parts: AuthParts): void {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()
  const { database, passwords, tokens, loginThrottle, loginsAtOnce } = parts

  const options = { schema, bodyLimit: CREDENTIALS_BYTES_MAX }
  app.post("/api/user/login", options, (request, reply) => {
    const networks = atOnceFor(request.clientAddress)
    return loginsAtOnce.handle(reply, networks, async () => {
      // A password that could not be registered is a wrong one, not a malformed one.
      const credentials = readCredentials(request.body)
      if (Array.isArray(credentials)) return sendProblem(reply, "malformed_request", credentials)
      const { login, password } = credentials
      const attempt = await loginThrottle.attempt(request.clientAddress, login, async () => {
        const user = await findUser(database, login)
        if (await passwords.matches(networks, password, user?.password)) return user
        logFailure(request, login, user?.id)
        return undefined
      })
      tellAttempts(reply, attempt)
      if (attempt.refused) return sendProblem(reply, "too_many_attempts")
      if (attempt.result === undefined) return sendProblem(reply, "wrong_credentials")
      return sendToken(reply, tokens, attempt.result)
    })
  })
}
