import Fastify from "fastify"
import { afterEach, describe, expect, it } from "vitest"
import { ConfigError } from "./env.ts"
import { listen } from "./listen.ts"

const apps: ReturnType<typeof Fastify>[] = []
const listenAt = (host: string, port: number) => {
  const app = Fastify()
  apps.push(app)
  return listen(app, { host, port }, "RUN_ADDRESS")
}

afterEach(() => Promise.all(apps.splice(0).map((app) => app.close())))

describe("listening at an address", () => {
  it("gives the URL", async () => {
    expect(await listenAt("127.0.0.1", 0)).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
  })

  it.each([
    { what: "a port that another has", host: "127.0.0.1", code: "EADDRINUSE" },
    { what: "an address of another host", host: "192.0.2.1", code: "EADDRNOTAVAIL" },
    { what: "a host that is none", host: "no-host.invalid", code: /ENOTFOUND|EAI_AGAIN/ },
  ])("$what is refused by its setting's name", async ({ host, code }) => {
    const url = await listenAt("127.0.0.1", 0)
    const refused: unknown = await listenAt(host, Number(new URL(url).port)).catch(
      (error: unknown) => error,
    )
    expect(refused).toBeInstanceOf(ConfigError)
    expect((refused as Error).message).toMatch(/^RUN_ADDRESS must be an address host:port .*\)$/)
    expect((refused as Error).message).toMatch(code)
  })
})
