import { setTimeout as sleep } from "node:timers/promises"
import { classifyError } from "./errors.ts"

const ATTEMPTS_MAX = 5
const FIRST_DELAY_MS = 25

/**
 * Runs a call whose repetition changes nothing, again after a conflict, and after a connection that
 * broke while the outcome was under way. Rejects with the last error.
 */
export async function retry<Result>(call: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call()
    } catch (error) {
      const fault = classifyError(error)
      const worthIt = fault === "conflict" || fault === "connection_lost"
      if (!worthIt || attempt === ATTEMPTS_MAX) throw error
      await sleep(FIRST_DELAY_MS * 2 ** (attempt - 1) * (0.5 + Math.random()))
    }
  }
}
