import { connect } from "node:net"

const CONNECT_TIMEOUT_MS = 10_000

/**
 * Whether anything accepts connections at this URL: undefined when so, otherwise why not. What
 * fails later is the scoring system's, and not a wrong address.
 */
export function findUnreachable(url: URL): Promise<string | undefined> {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1")
  const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80)
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: CONNECT_TIMEOUT_MS })
    const end = (reason?: string) => {
      socket.destroy()
      resolve(reason)
    }
    socket.once("connect", () => end())
    socket.once("timeout", () => end(`no connection within ${CONNECT_TIMEOUT_MS / 1_000} s`))
    socket.once("error", (error: NodeJS.ErrnoException) => {
      // Of several addresses that fail, Node's message is empty.
      end(error.message === "" ? (error.code ?? "no connection") : error.message)
    })
  })
}
