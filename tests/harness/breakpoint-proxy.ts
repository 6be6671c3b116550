import { type AddressInfo, connect, createServer, type Socket } from "node:net"

/** The way from a process to a server, on which a test stops it in the middle of what it sends. */
export interface BreakpointProxy {
  /** The server's URL, for the process that is to be stopped. */
  url: string
  /**
   * Holds back the next thing with this text in it that the process sends, and all that follows on
   * the same connection. Resolves when it was sent; nothing of it has got through.
   */
  holdAt(text: string): Promise<void>
  /** Lets through what is held back, even when the process has ended since. */
  release(): void
  /** Breaks the connection on which the last of so many more bytes is sent, right after it. */
  cutAfter(bytes: number): Promise<void>
  close(): Promise<void>
}

/** Stretches one before the server of `serverUrl`, on a port of its own. */
export async function startBreakpointProxy(serverUrl: string): Promise<BreakpointProxy> {
  const target = new URL(serverUrl)
  const sockets = new Set<Socket>()
  const held = new Map<Socket, Buffer[]>()
  let hold: { text: string; sent: () => void } | undefined
  let cut: { bytesLeft: number; done: () => void } | undefined

  const pass = (near: Socket, far: Socket, sent: Buffer) => {
    const waiting = held.get(far)
    if (waiting !== undefined) {
      waiting.push(sent)
    } else if (hold !== undefined && sent.includes(hold.text)) {
      held.set(far, [sent])
      hold.sent()
      hold = undefined
    } else if (cut !== undefined && sent.length >= cut.bytesLeft) {
      far.end(sent.subarray(0, cut.bytesLeft))
      near.destroy()
      cut.done()
      cut = undefined
    } else {
      if (cut !== undefined) cut.bytesLeft -= sent.length
      far.write(sent)
    }
  }
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on("error", () => {})
      socket.on("close", () => sockets.delete(socket))
    }
    near.on("data", (sent) => pass(near, far, sent as Buffer))
    near.on("close", () => {
      if (!held.has(far)) far.end()
    })
    far.pipe(near)
    far.on("close", () => near.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const url = new URL(serverUrl)
  url.port = String((server.address() as AddressInfo).port)
  return {
    url: url.href,
    holdAt: (text) => new Promise((sent) => (hold = { text, sent })),
    release() {
      for (const [far, waiting] of held) for (const sent of waiting) far.write(sent)
      held.clear()
    },
    cutAfter: (bytes) => new Promise((done) => (cut = { bytesLeft: bytes, done })),
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
