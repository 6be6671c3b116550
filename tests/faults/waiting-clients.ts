import { Agent, get } from "node:http"

/**
 * Waits for orders as many clients, and tells its parent how many requests are on their way. A process
 * of its own, so that all of them hang up at once when it is killed.
 *
 * Arguments: a URL with NUMBER in it; how often each waits; and for each client its network, its token
 * and its order, with spaces between them.
 */
const [url = "", waits = "0", ...clients] = process.argv.slice(2)

const agent = new Agent({ maxSockets: Infinity })
let sent = 0

function wait(client: string): void {
  const [network = "", token = "", number = ""] = client.split(" ")
  const headers = {
    authorization: `Bearer ${token}`,
    prefer: "wait=60",
    "x-forwarded-for": network,
  }
  const request = get(url.replace("NUMBER", number), { agent, headers })
  request.on("finish", () => {
    sent += 1
    if (sent === clients.length * Number(waits)) process.send?.(sent)
  })
}

process.on("disconnect", () => process.exit())
for (const client of clients) for (let i = 0; i < Number(waits); i++) wait(client)
