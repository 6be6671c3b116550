import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox"
import { atOnceFor } from "@gofermart/shared/http/network.ts"
import type { FastifyInstance } from "fastify"
import { sendProblem } from "../http/problems.ts"
import { problems } from "../http/responses.ts"
import { CREDENTIALS_BYTES_MAX, CredentialsSchema, readNewCredentials } from "./credentials.ts"
import { isGuessable } from "./guessable.ts"
import { attemptWithin, NetworkThrottle } from "./network-throttle.ts"
import type { AuthParts } from "./parts.ts"
import { tellAttempts } from "./throttle.ts"
import { sendToken, TOKEN_ANSWER } from "./token-answer.ts"
import { createUser } from "./users.ts"

const schema = {
  operationId: "registerUser",
  summary: "Register, and be logged in",
  description: "White space around a login does not count; upper case does.",
  tags: ["account"],
  body: CredentialsSchema,
  response: {
    200: TOKEN_ANSWER,
    ...problems("guessable_password", "login_taken", "too_many_registrations", "too_many_at_once"),
  },
}

/** Registers users. Only what created a user counts against the address. */
export function registerRoute(instance: FastifyInstance, parts: AuthParts): void {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()
  const { database, passwords, tokens, loginsAtOnce } = parts
  const throttle = new NetworkThrottle(database, {
    name: "registrations",
    attemptsMax: parts.throttling.registrationsPerAddressMax,
    windowMs: parts.throttling.windowMs,
  })

  const options = { schema, bodyLimit: CREDENTIALS_BYTES_MAX }
  app.post("/api/user/register", options, (request, reply) => {
    const networks = atOnceFor(request.clientAddress)
    return loginsAtOnce.handle(reply, networks, async () => {
      const credentials = readNewCredentials(request.body, parts.passwordLengthMin)
      if (Array.isArray(credentials)) return sendProblem(reply, "malformed_request", credentials)
      const { login, password } = credentials
      if (isGuessable(password, login)) return sendProblem(reply, "guessable_password")
      const register = async () => {
        // A taken login is refused before the costly hash; the constraint decides a race.
        const taken = await database.user.findFirst({ where: { login }, select: { id: true } })
        if (taken !== null) return undefined
        return createUser(database, login, await passwords.hash(networks, password))
      }
      const attempt = await attemptWithin(
        throttle.keys(request.clientAddress),
        register,
        (user) => user !== undefined,
      )
      tellAttempts(reply, attempt)
      if (attempt.refused) return sendProblem(reply, "too_many_registrations")
      if (attempt.result === undefined) return sendProblem(reply, "login_taken")
      return sendToken(reply, tokens, attempt.result)
    })
  })
}
