import { afterOutage } from "./learned-limit.ts"
import type { PaceChange } from "./pace-changes.ts"

/** A worker has found an outage. It begins now even if there is one: that may be ending just now. */
export const goDown: PaceChange = (pace, now) => ({ ...pace, downSince: now })

/** The scoring system says that it is down, and for how long. */
export const stayDown: PaceChange = (pace, now) => ({ ...pace, downSince: pace.downSince ?? now })

/**
 * An answer ends the outage, unless it was polled for before the outage was found, or before a pause is
 * over. `polledAgoMs`: for how long it has been so that it was polled for, in milliseconds.
 */
export function recoverBy(polledAgoMs: () => number): PaceChange {
  return (pace, now, pauseMs) => {
    const { downSince } = pace
    if (downSince === null) return pace
    const agoMs = polledAgoMs()
    if (agoMs > -pauseMs) return pace
    // One that begins later than now is of a database's clock that was set back.
    if (downSince <= now && now - agoMs < downSince) return pace
    return { ...pace, limit: afterOutage(pace.limit, now), downSince: null, recoveredAt: now }
  }
}
