import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { announceReady } from "@gofermart/shared/runtime/shutdown.ts"

/** Something that a scenario turns on and off while it runs. */
export interface Switched {
  start(): Promise<unknown>
  /** Resolves when nothing of it goes on. */
  stop(): Promise<unknown>
  /** What the program has to say of itself; both orders are answered with it. */
  tell?(): unknown
}

/** Says that the program is ready, and obeys POST /start and POST /stop until its parent is gone. */
export function obey(switched: Switched): void {
  const obeyed = async (path: string | undefined) => {
    await (path === "/start" ? switched.start() : switched.stop())
    return JSON.stringify(switched.tell?.() ?? {})
  }
  const server = createServer((request, response) => {
    void obeyed(request.url).then((body) => response.end(body))
  })
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    announceReady({ url: `http://127.0.0.1:${port}` })
  })
  process.once("disconnect", () => process.exit())
}
