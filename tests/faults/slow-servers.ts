import { execFile } from "node:child_process"
import { readFile } from "node:fs/promises"
import type { AddressInfo, Server, Socket } from "node:net"
import { join } from "node:path"
import { promisify } from "node:util"
import { onTestFinished } from "vitest"
import type { Reply } from "@gofermart/scoring-simulator/scripted.ts"

const run = promisify(execFile)

const BYTE_INTERVAL_MS = 1_000

export const hang: Reply = () => {}

export const hangAfterHeaders: Reply = (_number, response) => {
  response.writeHead(200, { "content-type": "application/json" }).flushHeaders()
}

export const dripHeaders: Reply = (_number, { socket }) => {
  if (socket !== null) drip(socket, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
}

export const dripBody: Reply = (number, response) => {
  response.writeHead(200, { "content-type": "application/json" })
  drip(response, `{"order":"${number}","status":"PROCESSED","accrual":5}`)
}

/** Writes a byte at once and one each second, for as long as somebody reads. */
function drip(to: NodeJS.WritableStream, text: string): void {
  let sent = 0
  const send = () => {
    to.write(text[sent % text.length] ?? "")
    sent += 1
  }
  send()
  const timer = setInterval(send, BYTE_INTERVAL_MS)
  to.on("close", () => clearInterval(timer))
}

/** A reply that notes for how long its asker waits. */
export function measured(reply: Reply, heldMs: number[]): Reply {
  return (number, response) => {
    const from = performance.now()
    response.on("close", () => heldMs.push(performance.now() - from))
    reply(number, response)
  }
}

export function measure(socket: Socket, heldMs: number[]): void {
  const from = performance.now()
  socket.on("close", () => heldMs.push(performance.now() - from))
}

/** Passes on what the client says, and of what it is told a byte a second. */
export function dribble(near: Socket, far: Socket): void {
  let held = Buffer.alloc(0)
  near.pipe(far)
  far.on("data", (chunk: Buffer) => (held = Buffer.concat([held, chunk])))
  const timer = setInterval(() => {
    near.write(held.subarray(0, 1))
    held = held.subarray(1)
  }, BYTE_INTERVAL_MS)
  near.on("close", () => {
    clearInterval(timer)
    far.destroy()
  })
  far.on("error", () => {})
}

export function joinSockets(near: Socket, far: Socket): void {
  for (const socket of [near, far]) socket.on("error", () => {})
  near.pipe(far).pipe(near)
  near.on("close", () => far.destroy())
  far.on("close", () => near.destroy())
}

export async function listen(server: Server, host = "127.0.0.1"): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

export async function makeCertificate(folder: string) {
  const [keyFile, certFile] = [join(folder, "key.pem"), join(folder, "cert.pem")]
  const subject = "-subj /CN=scoring -addext subjectAltName=IP:127.0.0.1 -days 2"
  const curve = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
  const what = `req -x509 ${curve} ${subject}`.split(" ")
  await run("openssl", [...what, "-keyout", keyFile, "-out", certFile])
  return { key: await readFile(keyFile), cert: await readFile(certFile), certFile }
}
