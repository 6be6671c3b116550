import { connect } from "node:net"

export type HeaderFields = Record<string, string>

export const PASSWORD = "a good password"

/** Sends JSON: of a value, or text as it is. */
export function sendJson(
  method: string,
  url: string,
  body: unknown,
  headers: HeaderFields = {},
): Promise<Response> {
  return fetch(url, {
    method,
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  })
}

/** Registers somebody or logs somebody in. */
export function sendCredentials(
  apiUrl: string,
  path: "register" | "login",
  login: string,
  password: string = PASSWORD,
  headers: HeaderFields = {},
): Promise<Response> {
  return sendJson("POST", `${apiUrl}/api/user/${path}`, { login, password }, headers)
}

export interface RawAnswer {
  /** The first final answer; undefined when the server hung up without one. */
  response: Response | undefined
  /** With those that only say to go on. */
  answers: number
  /** Whether it was the server that hung up. */
  hungUp: boolean
  tookMs: number
}

/** No server of ours keeps a connection longer on which nothing whole arrives. */
const HANGS_UP_WITHIN_MS = 20_000

/**
 * Sends bytes as they are, then one of `drip` a second, and gives what comes back until the server
 * hangs up. When it does not, this does.
 */
export async function sendRaw(url: string, bytes: string, drip = ""): Promise<RawAnswer> {
  const { hostname, port } = new URL(url)
  const start = performance.now()
  let hungUp = true
  const text = await new Promise<string>((resolve) => {
    const socket = connect(Number(port), hostname, () => socket.write(bytes))
    const drops = [...drip]
    const dripping = setInterval(() => socket.writable && socket.write(drops.shift() ?? ""), 1_000)
    const limit = setTimeout(() => {
      hungUp = false
      socket.destroy()
    }, HANGS_UP_WITHIN_MS)
    let received = ""
    socket.on("data", (data) => (received += data.toString()))
    // A reset is one way of hanging up.
    socket.on("error", () => {})
    socket.on("close", () => {
      clearInterval(dripping)
      clearTimeout(limit)
      resolve(received)
    })
  })
  const tookMs = performance.now() - start
  const answers = text.split("HTTP/1.1 ").length - 1
  const final = text.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, "")
  return { response: parseAnswer(final), answers, hungUp, tookMs }
}

function parseAnswer(text: string): Response | undefined {
  const [head = "", ...rest] = text.split("\r\n\r\n")
  const [first = "", ...lines] = head.split("\r\n")
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1])
  if (Number.isNaN(status)) return undefined
  const headers = new Headers()
  for (const line of lines) {
    const colon = line.indexOf(":")
    headers.append(line.slice(0, colon), line.slice(colon + 1).trim())
  }
  const length = Number(headers.get("content-length") ?? 0)
  return new Response(rest.join("\r\n\r\n").slice(0, length), { status, headers })
}
