import { createServer } from "node:net"
import { ConfigError } from "@gofermart/shared/runtime/env.ts"

const PAIR_ATTEMPTS_MAX = 100

/** A port that was free a moment ago on the loopback interface. */
export async function freePort(): Promise<number> {
  const port = await tryPort(0)
  if (port === undefined) throw new Error("the system gave no port")
  return port
}

/** Two ports of the loopback interface, one after the other, that were free a moment ago. */
export async function freePair(): Promise<[number, number]> {
  for (let attempt = 0; attempt < PAIR_ATTEMPTS_MAX; attempt++) {
    const first = await freePort()
    if (await isFree(first + 1)) return [first, first + 1]
  }
  throw new Error("no two ports that follow each other are free")
}

/**
 * Starts something at a usual port of the loopback interface, or at any free one when another program
 * has that, be it only since a moment ago: then `start` rejects with what `listen` throws.
 */
export async function atUsualPort<Started>(
  usualPort: number,
  start: (address: string) => Promise<Started>,
): Promise<Started> {
  try {
    if (await isFree(usualPort)) return await start(`127.0.0.1:${usualPort}`)
  } catch (error) {
    if (!(error instanceof ConfigError && error.message.includes("EADDRINUSE"))) throw error
  }
  return start("127.0.0.1:0")
}

async function isFree(port: number): Promise<boolean> {
  return (await tryPort(port)) !== undefined
}

async function tryPort(port: number): Promise<number | undefined> {
  const server = createServer()
  const listening = await new Promise<boolean>((resolve) => {
    server.once("error", () => resolve(false))
    server.listen(port, "127.0.0.1", () => resolve(true))
  })
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return listening && address !== null && typeof address === "object" ? address.port : undefined
}
