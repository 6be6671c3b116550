import { createServer } from "node:net"

/** A port that was free a moment ago on the loopback interface. */
export async function freePort(): Promise<number> {
  const port = await tryPort(0)
  if (port === undefined) throw new Error("the system gave no port")
  return port
}

export async function isFree(port: number): Promise<boolean> {
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
