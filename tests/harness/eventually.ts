import { setTimeout as sleep } from "node:timers/promises"

const LOOK_INTERVAL_MS = 50
/** Promises no time: a busy machine is slow. */
export const GIVE_UP_MS = 120_000

/** Looks again until `look` gives something, and throws with `what` when it never does. */
export async function eventually<Found>(
  what: string,
  look: () => Promise<Found | undefined | false>,
  timeoutMs = GIVE_UP_MS,
): Promise<Found> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await sleep(LOOK_INTERVAL_MS)
  }
}
