import { once } from "node:events"
import { connect } from "node:net"
import type { Redis } from "ioredis"

/** For a server to say why it does not let a connection become ready. */
const REFUSAL_TIMEOUT_MS = 300
/** What a client that had written something learns when it is not let in. */
const BROKEN = /^(EPIPE|ECONNRESET)$/

/** Whether the server may have said why it broke a connection off. */
export function isBrokenOff(error: unknown): boolean {
  const { code = "", message = "" } = (error ?? {}) as { code?: string; message?: string }
  return BROKEN.test(code) || message === "Connection is closed."
}

/**
 * What Redis says before it is asked anything, without the sign of an error: it does so to a client
 * that it does not let in, and closes. A client that has written something by then sees only a
 * broken connection. Resolves with nothing when it does not say so in time.
 */
export async function readRefusal({ options }: Redis): Promise<string> {
  const { host, port, tls, sentinels, Connector } = options
  // Where there are Sentinels or a cluster, they alone know which host it was; without Sentinels ioredis has null there.
  if (host === undefined || port === undefined || tls || sentinels || Connector) return ""
  const socket = connect(port, host)
  socket.on("error", () => {})
  try {
    const signal = AbortSignal.timeout(REFUSAL_TIMEOUT_MS)
    const [said] = (await once(socket, "data", { signal })) as [Buffer]
    return /^-(.*)\r\n/.exec(said.toString())?.[1] ?? ""
  } catch {
    return ""
  } finally {
    socket.destroy()
  }
}
