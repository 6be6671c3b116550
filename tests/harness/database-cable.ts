import { connect, createServer, type Socket } from "node:net"
import type { AddressInfo } from "node:net"

/** The connection between somebody and a database, for a test to cut. */
export interface DatabaseCable {
  /** The connection string for whoever is to go through it. */
  url: string
  /** Breaks every connection and refuses new ones. */
  cut(): Promise<void>
  /** Lets new connections in, which nobody answers. */
  silence(): Promise<void>
  mend(): Promise<void>
  close(): Promise<void>
}

/** Lays a cable to the database of `databaseUrl`, on a port of its own. */
export async function layCable(databaseUrl: string): Promise<DatabaseCable> {
  const database = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  let isSilent = false
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on("error", () => {})
    socket.on("close", () => sockets.delete(socket))
  }
  const server = createServer((near) => {
    keep(near)
    if (isSilent) return
    const far = connect(Number(database.port), database.hostname)
    keep(far)
    near.pipe(far).pipe(near)
    near.on("close", () => far.destroy())
    far.on("close", () => near.destroy())
  })
  const listen = (port: number) =>
    new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve))
  await listen(0)
  const { port } = server.address() as AddressInfo

  const cut = async () => {
    const closed = new Promise((resolve) => server.close(resolve))
    for (const socket of sockets) socket.destroy()
    await closed
  }
  const reopen = async (silent: boolean) => {
    if (server.listening) await cut()
    isSilent = silent
    await listen(port)
  }
  const url = new URL(databaseUrl)
  url.port = String(port)
  return {
    url: url.href,
    cut,
    silence: () => reopen(true),
    mend: () => reopen(false),
    close: async () => {
      if (server.listening) await cut()
    },
  }
}
