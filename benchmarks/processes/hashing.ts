import { Passwords } from "@gofermart/api/auth/passwords.ts"
import { atOnceFor } from "@gofermart/shared/http/network.ts"
import { obey } from "./switch.ts"

// Hashes passwords as fast as an API is ready to, between POST /start and POST /stop.

/** More than the API hashes at once, so that always one waits. */
const LANES = 4

const passwords = new Passwords()
const HERE = atOnceFor("127.0.0.1")
let underWay: { ending: AbortController; lanes: Promise<unknown> } | undefined

obey({
  async start() {
    const ending = new AbortController()
    const lane = async () => {
      while (!ending.signal.aborted) await passwords.hash(HERE, "a password that nobody has")
    }
    underWay ??= { ending, lanes: Promise.all(Array.from({ length: LANES }, lane)) }
  },
  async stop() {
    underWay?.ending.abort()
    await underWay?.lanes
    underWay = undefined
  },
})
