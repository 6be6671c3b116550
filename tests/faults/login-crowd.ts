import { Agent, request } from "node:http"

/**
 * Logs customers in with their right passwords, over so many connections without pause, and tells its
 * parent how often each status came. A process of its own, so that it takes no time of whoever measures.
 */
export type Answers = Record<string, number>

const TELL_INTERVAL_MS = 200

const [apiUrl = "", customers = "[]", addresses = "[]", connections = "0"] = process.argv.slice(2)
const bodies = JSON.parse(customers) as object[]
const from = JSON.parse(addresses) as string[]

const agent = new Agent({ keepAlive: true, maxSockets: Infinity })
const answers: Answers = {}

function logIn(connection: number): Promise<void> {
  const headers = {
    "content-type": "application/json",
    "x-forwarded-for": from[connection % from.length] ?? "",
  }
  return new Promise((resolve) => {
    const url = `${apiUrl}/api/user/login`
    const sent = request(url, { method: "POST", agent, headers }, (response) => {
      const status = response.statusCode ?? 0
      answers[status] = (answers[status] ?? 0) + 1
      response.resume().on("close", resolve)
    })
    sent.on("error", () => {
      answers["error"] = (answers["error"] ?? 0) + 1
      resolve()
    })
    sent.end(JSON.stringify(bodies[connection % bodies.length]))
  })
}

async function logInOn(connection: number): Promise<void> {
  for (;;) await logIn(connection)
}

process.on("disconnect", () => process.exit())
setInterval(() => process.send?.(answers), TELL_INTERVAL_MS)
for (let i = 0; i < Number(connections); i++) void logInOn(i)
