import Fastify from "fastify"
import { expect, it } from "vitest"
import { answerErrors } from "./errors.ts"
import { type List, sendList } from "./list.ts"

it("answers a list that fails before its first piece with nothing of the list's", async () => {
  let reads = 0
  const list: List<number, number> = {
    userId: 1n,
    read: async (_after, limit) => {
      reads += 1
      if (reads > 1) throw new Error("the second read fails")
      return Array.from({ length: limit }, (_, i) => i)
    },
    keyOf: (item) => item,
    writeKey: String,
    readKey: Number,
    show: (item) => ({ item }),
    readTag: async () => "tag",
  }
  const app = Fastify()
  app.decorateRequest("clientAddress", "192.0.2.1")
  answerErrors(app)
  app.get("/", (request, reply) => sendList(request as never, reply, list))
  const response = await app.inject("/")
  expect(reads).toBe(2)
  expect(response.statusCode).toBe(500)
  expect(response.headers).toMatchObject({ "content-type": "application/problem+json" })
  expect(response.headers).not.toHaveProperty("etag")
  await app.close()
})
