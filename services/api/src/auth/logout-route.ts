import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox"
import type { FastifyInstance, FastifyRequest } from "fastify"
import { Type } from "typebox"
import { TOKEN_NEEDED } from "../http/description.ts"
import { problems } from "../http/responses.ts"
import type { AuthParts } from "./parts.ts"
import { clearToken, NO_TOKEN_ANSWER } from "./token-answer.ts"
import { endTokens } from "./users.ts"

const schema = {
  operationId: "logOut",
  summary: "Log out",
  description:
    "Makes a browser forget the cookie. The token of the request is refused from now on, within " +
    "seconds on every server; with `everywhere=true` every one that was issued before.",
  tags: ["account"],
  security: TOKEN_NEEDED,
  querystring: Type.Object({ everywhere: Type.Optional(Type.Boolean()) }),
  response: {
    204: NO_TOKEN_ANSWER,
    ...problems("unauthenticated", "cross_site"),
  },
}

export function logoutRoute(instance: FastifyInstance, { database, accounts }: AuthParts): void {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()
  const options = { schema, onRequest: ignoreTypeOfNothing }
  app.post("/api/user/logout", options, async (request, reply) => {
    if (request.query.everywhere === true) {
      await endTokens(database, request.userId)
      accounts.forget(request.userId)
    } else {
      await accounts.end(request.token)
    }
    clearToken(reply)
    return reply.code(204).send()
  })
}

/** Clients name a type also where they send nothing, which is then of no type. */
async function ignoreTypeOfNothing({ raw: { headers } }: FastifyRequest): Promise<void> {
  const { "content-length": length = "0", "transfer-encoding": coding } = headers
  if (Number(length) === 0 && coding === undefined) delete headers["content-type"]
}
