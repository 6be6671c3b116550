import { createServer, type Server } from "node:net"
import { atUsualPort, freePort } from "@gofermart/local-stack/ports.ts"
import { buildSimulator } from "@gofermart/scoring-simulator/app.ts"
import { ConfigError, readAddress } from "@gofermart/shared/runtime/env.ts"
import { listen } from "@gofermart/shared/runtime/listen.ts"
import { afterEach, describe, expect, it } from "vitest"

const closers: (() => unknown)[] = []
afterEach(() => Promise.all(closers.splice(0).map((close) => close())))

async function occupy(port: number): Promise<Server> {
  const server = createServer()
  closers.push(() => server.close())
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve))
  return server
}

async function serve(address: string): Promise<string> {
  const app = buildSimulator({})
  closers.push(() => app.close())
  return listen(app, readAddress(address), "OPERATORS_ADDRESS")
}

describe("a usual port", () => {
  it("is taken when it is free", async () => {
    const port = await freePort()
    expect(await atUsualPort(port, serve)).toBe(`http://127.0.0.1:${port}`)
  })

  it("that another program has is left to it", async () => {
    const port = await freePort()
    await occupy(port)
    expect(await atUsualPort(port, serve)).not.toContain(`:${port}`)
  })

  it("that another program takes between the question and the bind is left to it", async () => {
    const port = await freePort()
    const url = await atUsualPort(port, async (address) => {
      if (address.endsWith(`:${port}`)) await occupy(port)
      return serve(address)
    })
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect(url).not.toContain(`:${port}`)
  })

  it("is tried at no other when something else is wrong", async () => {
    const asked: string[] = []
    const start = (address: string) => {
      asked.push(address)
      return Promise.reject(new ConfigError("LOG_LEVEL must be another"))
    }
    await expect(atUsualPort(await freePort(), start)).rejects.toThrow("LOG_LEVEL")
    expect(asked).toHaveLength(1)
  })
})
