import { type AddressInfo, connect, createServer, type Socket } from "node:net"

/** The connection between a process and a server it talks to, for a test to interfere with. */
export interface FaultProxy {
  /** The server's URL, for whoever is to go through the proxy. */
  url: string
  /** Breaks every connection and refuses new ones. */
  cut(): Promise<void>
  /** Breaks every connection and lets new ones in, which nobody answers. */
  silence(): Promise<void>
  /** Keeps every connection open, new ones too, and lets nothing through in either direction. */
  freeze(): void
  /** Ends any of these; what was held back by a freeze goes on. */
  mend(): Promise<void>
  close(): Promise<void>
}

/** Starts a proxy before the server of `serverUrl`, on a port of its own. */
export async function startFaultProxy(serverUrl: string): Promise<FaultProxy> {
  const target = new URL(serverUrl)
  const pairs = new Set<{ near: Socket; far: Socket | undefined }>()
  let state: "open" | "silent" | "frozen" = "open"
  const through = (near: Socket, far: Socket) => near.pipe(far).pipe(near)
  const server = createServer((near) => {
    near.on("error", () => {})
    if (state === "silent") {
      const pair = { near, far: undefined }
      pairs.add(pair)
      near.on("close", () => pairs.delete(pair))
      return
    }
    const far = connect(Number(target.port), target.hostname)
    const pair = { near, far }
    pairs.add(pair)
    far.on("error", () => {})
    if (state === "open") through(near, far)
    const end = () => {
      near.destroy()
      far.destroy()
      pairs.delete(pair)
    }
    near.on("close", end)
    far.on("close", end)
  })
  const listen = (port: number) =>
    new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve))
  await listen(0)
  const { port } = server.address() as AddressInfo

  const cut = async () => {
    if (!server.listening) return
    const closed = new Promise((resolve) => server.close(resolve))
    for (const { near, far } of pairs) {
      near.destroy()
      far?.destroy()
    }
    await closed
  }
  const url = new URL(serverUrl)
  url.port = String(port)
  return {
    url: url.href,
    cut,
    async silence() {
      await cut()
      state = "silent"
      await listen(port)
    },
    freeze() {
      state = "frozen"
      for (const { near, far } of pairs) {
        if (far === undefined) continue
        near.unpipe(far).pause()
        far.unpipe(near).pause()
      }
    },
    async mend() {
      if (state === "frozen") {
        state = "open"
        for (const { near, far } of pairs) if (far !== undefined) through(near, far)
        return
      }
      await cut()
      state = "open"
      await listen(port)
    },
    close: cut,
  }
}
