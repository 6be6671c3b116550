import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox"
import type { Database } from "@gofermart/shared/db/client.ts"
import type { FastifyInstance } from "fastify"
import { sendProblem } from "../http/problems.ts"
import { problems } from "../http/responses.ts"
import type { Accounts } from "./accounts.ts"
import { CredentialsSchema, readCredentials } from "./credentials.ts"
import type { LoginLimits, LoginThrottle } from "./login-throttle.ts"
import { networkOf } from "./network.ts"
import type { Passwords } from "./passwords.ts"
import { tellAttempts, Throttle } from "./throttle.ts"
import { sendToken, TOKEN_ANSWER, TokenSchema } from "./token-answer.ts"
import type { Tokens } from "./tokens.ts"
import { createUser, findUser } from "./users.ts"

export interface AuthParts {
  database: Database
  passwords: Passwords
  tokens: Tokens
  accounts: Accounts
  loginThrottle: LoginThrottle
  passwordLengthMin: number
  throttling: LoginLimits & { registrationsPerAddressMax: number }
}

const registerSchema = {
  operationId: "registerUser",
  summary: "Register, and be logged in",
  description: "White space around a login does not count; upper case does.",
  tags: ["account"],
  body: CredentialsSchema,
  response: {
    200: TOKEN_ANSWER,
    ...problems("login_taken", "body_too_large", "too_many_registrations"),
  },
}

/** Registers users. Only what created a user counts against the address. */
function registerRoute(instance: FastifyInstance, parts: AuthParts): void {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()
  const { database, passwords, tokens } = parts
  const throttle = new Throttle(database, {
    name: "registrations",
    attemptsMax: parts.throttling.registrationsPerAddressMax,
    windowMs: parts.throttling.windowMs,
  })

  app.post("/api/user/register", { schema: registerSchema }, async (request, reply) => {
    const credentials = readCredentials(request.body, parts.passwordLengthMin)
    if (typeof credentials === "string") return sendProblem(reply, "malformed_request", credentials)
    const { login, password } = credentials
    const register = async () => {
      // A taken login is refused before the costly hash; the constraint decides a race.
      const taken = await database.user.findUnique({ where: { login }, select: { id: true } })
      if (taken !== null) return undefined
      return createUser(database, login, await passwords.hash(password))
    }
    const attempt = await throttle.attempt(
      networkOf(request.ip),
      register,
      (user) => user !== undefined,
    )
    tellAttempts(reply, attempt)
    if (attempt.refused) return sendProblem(reply, "too_many_registrations")
    if (attempt.result === undefined) return sendProblem(reply, "login_taken")
    return sendToken(reply, tokens, attempt.result)
  })
}

const loginSchema = {
  operationId: "logIn",
  summary: "Log in",
  description:
    "Too many failed attempts, for one login from one address or from one address altogether, " +
    "make it refuse further ones from there for a while; those that succeed do not count.",
  tags: ["account"],
  body: CredentialsSchema,
  response: {
    200: TOKEN_ANSWER,
    ...problems("wrong_credentials", "body_too_large", "too_many_attempts"),
  },
}

function loginRoute(instance: FastifyInstance, parts: AuthParts): void {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()
  const { database, passwords, tokens, loginThrottle } = parts

  app.post("/api/user/login", { schema: loginSchema }, async (request, reply) => {
    // A password that could not be registered is a wrong one, not a malformed one.
    const credentials = readCredentials(request.body, 0)
    if (typeof credentials === "string") return sendProblem(reply, "malformed_request", credentials)
    const { login, password } = credentials
    const attempt = await loginThrottle.attempt(request.ip, login, async () => {
      const user = await findUser(database, login)
      return (await passwords.matches(password, user?.password)) ? user : undefined
    })
    tellAttempts(reply, attempt)
    if (attempt.refused) return sendProblem(reply, "too_many_attempts")
    if (attempt.result === undefined) return sendProblem(reply, "wrong_credentials")
    return sendToken(reply, tokens, attempt.result)
  })
}

/** What anybody may ask for; see `sessions.ts` for what needs a token. */
export function authRoutes(app: FastifyInstance, parts: AuthParts): void {
  app.addSchema(TokenSchema)
  registerRoute(app, parts)
  loginRoute(app, parts)
}
