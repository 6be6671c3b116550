import { Agent, get } from "node:http"

/**
 * Reads one path as so many clients, each without pause, and tells its parent how far they have come.
 * A process of its own, so that it takes no time of whoever measures.
 */
export interface Progress {
  /** What each client has read so far. */
  bytes: number[]
  /** Answers that were not 200, or broke off. */
  failures: number
}

const TELL_INTERVAL_MS = 200

const [url = "", authorization = "", accept = "", clients = "0"] = process.argv.slice(2)

const agent = new Agent({ keepAlive: true, maxSockets: Infinity })
const progress: Progress = { bytes: Array.from({ length: Number(clients) }, () => 0), failures: 0 }

function readOnce(client: number): Promise<void> {
  return new Promise((resolve) => {
    const request = get(url, { agent, headers: { authorization, accept } }, (response) => {
      response.on("data", (chunk: Buffer) => {
        progress.bytes[client] = (progress.bytes[client] ?? 0) + chunk.length
      })
      response.on("close", () => {
        if (response.statusCode !== 200 || !response.complete) progress.failures += 1
        resolve()
      })
    })
    request.on("error", () => {
      progress.failures += 1
      resolve()
    })
  })
}

async function readOn(client: number): Promise<void> {
  for (;;) await readOnce(client)
}

process.on("disconnect", () => process.exit())
setInterval(() => process.send?.(progress), TELL_INTERVAL_MS)
for (const client of progress.bytes.keys()) void readOn(client)
