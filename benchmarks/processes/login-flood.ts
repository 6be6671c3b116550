import { randomInt } from "node:crypto"
import { Client } from "undici"
import { obey } from "./switch.ts"

/**
 * Somebody who tries passwords on the API at API_URL, from another address each time, over and over
 * on each of its connections, between POST /start and POST /stop. It tells how often each status came.
 */
const url = process.env["API_URL"] ?? ""

const CONNECTIONS = 64
/** Every second attempt is on one of these. */
const KNOWN_LOGINS = 10
const ADDRESSES = 2 ** 32
/** Each waits for its turn to be hashed. */
const ANSWER_TIMEOUT_MS = 60_000

const clients = Array.from(
  { length: CONNECTIONS },
  () => new Client(url, { headersTimeout: ANSWER_TIMEOUT_MS }),
)
const answers: Record<string, number> = {}
let underWay: { ending: AbortController; lanes: Promise<unknown> } | undefined

async function send(client: Client, action: string, login: string, password: string) {
  const address = randomInt(ADDRESSES)
  const bytes = [24, 16, 8, 0].map((shift) => (address >>> shift) & 255)
  const { statusCode, body } = await client.request({
    method: "POST",
    path: `/api/user/${action}`,
    headers: { "content-type": "application/json", "x-forwarded-for": bytes.join(".") },
    body: JSON.stringify({ login, password }),
  })
  await body.dump()
  return statusCode
}

async function attempt(client: Client): Promise<void> {
  const isKnown = randomInt(2) === 0
  const login = isKnown ? `known-${randomInt(KNOWN_LOGINS)}` : `unknown-${randomInt(ADDRESSES)}`
  const status = await send(client, "login", login, "a wrong password")
  answers[status] = (answers[status] ?? 0) + 1
}

/** Resolves with the first answer, when what all connections send at once at first is through. */
async function start(): Promise<void> {
  if (underWay !== undefined) return
  const ending = new AbortController()
  const first = clients.map(attempt)
  const lanes = clients.map(async (client, i) => {
    await first[i]
    while (!ending.signal.aborted) await attempt(client)
  })
  underWay = { ending, lanes: Promise.all(lanes) }
  await Promise.race(first)
}

/** Waits for the answers: the API would go on with what nobody waits for. */
async function stop(): Promise<void> {
  underWay?.ending.abort()
  await underWay?.lanes
  underWay = undefined
}

for (let i = 0; i < KNOWN_LOGINS; i++) {
  const status = await send(clients[0] as Client, "register", `known-${i}`, "the right password")
  if (status !== 200) throw new Error(`a registration was answered with ${status}`)
}

obey({ start, stop, tell: () => answers })
