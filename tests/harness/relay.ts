import { type AddressInfo, connect, createServer, type Socket } from "node:net"

/** A port of the test's own that leads to a server. */
export interface Relay {
  /** The URL, for whoever is to go through it. */
  url: string
  close(): Promise<void>
}

/**
 * Opens one. `target` says where a new connection leads; `carry` has what comes from the client's end,
 * `near`, go to the server's, `far`, and back.
 */
export async function openRelay(
  serverUrl: string,
  target: () => URL,
  carry: (near: Socket, far: Socket) => void,
): Promise<Relay> {
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const { port, hostname } = target()
    const far = connect(Number(port), hostname)
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on("error", () => {})
      socket.on("close", () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
    carry(near, far)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const url = new URL(serverUrl)
  url.port = String((server.address() as AddressInfo).port)
  return {
    url: url.href,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
