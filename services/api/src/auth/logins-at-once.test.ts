import Fastify from "fastify"
import { expect, it } from "vitest"
import { LoginsAtOnce } from "./logins-at-once.ts"

it("a block has twice as many logins under way as each of its sites", async () => {
  const loginsAtOnce = new LoginsAtOnce(2)
  const end = Promise.withResolvers<void>()
  const app = Fastify()
  app.get<{ Params: { site: string; block: string } }>("/:block/:site", ({ params }, reply) => {
    const networks = [
      { name: `${params.block}, ${params.site}`, factor: 1 },
      { name: params.block, factor: 2 },
    ]
    return loginsAtOnce.handle(reply, networks, async () => {
      await end.promise
      return reply.send()
    })
  })
  const statusOf = async (path: string) => (await app.inject(path)).statusCode
  const refusalOf = async (path: string) => {
    const { statusCode, headers } = await app.inject(path)
    return [statusCode, headers["ratelimit-policy"]]
  }
  const underWay = ["/rented/1", "/rented/1", "/rented/2", "/rented/3"].map(statusOf)
  expect(await refusalOf("/rented/1")).toEqual([429, '"at-once";q=2'])
  expect(await refusalOf("/rented/4")).toEqual([429, '"at-once";q=4'])
  const other = statusOf("/mine/1")
  end.resolve()
  expect(await Promise.all([...underWay, other])).toEqual([200, 200, 200, 200, 200])
  expect(await statusOf("/rented/4")).toBe(200)
})
