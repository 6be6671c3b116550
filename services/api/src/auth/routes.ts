import type { Database } from "@gofermart/shared/db/client.ts"
import { isDuplicate } from "@gofermart/shared/db/faults.ts"
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox"
import type { FastifyInstance, FastifyReply } from "fastify"
import { Type } from "typebox"
import { sendProblem } from "../http/problems.ts"
import { cookieName } from "./authenticate.ts"
import { CredentialsSchema, readCredentials } from "./credentials.ts"
import type { Passwords } from "./passwords.ts"
import type { Tokens } from "./tokens.ts"

const TokenSchema = Type.Object({
  access_token: Type.String(),
  token_type: Type.Literal("Bearer"),
  expires_in: Type.Integer({ description: "seconds" }),
})

const schema = { body: CredentialsSchema, response: { 200: TokenSchema } }

export interface AuthParts {
  database: Database
  passwords: Passwords
  tokens: Tokens
  passwordLengthMin: number
}

export function authRoutes(instance: FastifyInstance, parts: AuthParts): void {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()
  const { database, passwords, tokens } = parts

  app.post("/api/user/register", { schema }, async (request, reply) => {
    const credentials = readCredentials(request.body, parts.passwordLengthMin)
    if (typeof credentials === "string") return sendProblem(reply, "malformed_request", credentials)
    const { login, password } = credentials
    // A taken login is refused before the costly hash; the constraint decides a race.
    const taken = await database.user.findUnique({ where: { login }, select: { id: true } })
    if (taken !== null) return sendProblem(reply, "login_taken")
    const hashed = await passwords.hash(password)
    const userId = await createUser(database, login, hashed)
    if (userId === undefined) return sendProblem(reply, "login_taken")
    return logIn(reply, tokens, userId)
  })

  app.post("/api/user/login", { schema }, async (request, reply) => {
    // A password that could not be registered is a wrong one, not a malformed one.
    const credentials = readCredentials(request.body, 0)
    if (typeof credentials === "string") return sendProblem(reply, "malformed_request", credentials)
    const { login, password } = credentials
    const user = await database.user.findUnique({
      where: { login },
      select: { id: true, password: true },
    })
    const matches = await passwords.matches(password, user?.password)
    if (user === null || !matches) return sendProblem(reply, "wrong_credentials")
    return logIn(reply, tokens, user.id)
  })
}

async function createUser(
  database: Database,
  login: string,
  password: string,
): Promise<bigint | undefined> {
  try {
    const { id } = await database.user.create({
      data: { login, password, balance: { create: {} } },
      select: { id: true },
    })
    return id
  } catch (error) {
    if (isDuplicate(error)) return undefined
    throw error
  }
}

async function logIn(reply: FastifyReply, tokens: Tokens, userId: bigint): Promise<FastifyReply> {
  const token = await tokens.issue(userId)
  const lifetimeS = Math.floor(tokens.lifetimeMs / 1_000)
  return reply
    .header("authorization", `Bearer ${token}`)
    .header("cache-control", "no-store")
    .setCookie(cookieName(reply.request), token, {
      path: "/",
      httpOnly: true,
      sameSite: "lax",
      secure: reply.request.protocol === "https",
      maxAge: lifetimeS,
    })
    .send({ access_token: token, token_type: "Bearer", expires_in: lifetimeS })
}
