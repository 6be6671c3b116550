import { setTimeout as sleep } from "node:timers/promises"
import { type Call, makeLimitedFleet, untilSettled } from "../fixtures/limited-fleet.ts"
import type { Scenario } from "./scenario.ts"

const LIMIT_PER_MINUTE = 6_000
const LIMIT_PER_SECOND = LIMIT_PER_MINUTE / 60
const WAITING = 10_000
/** The first minute's, and some at the pace that is known then. */
const SETTLED_BEFORE = LIMIT_PER_MINUTE + 10 * LIMIT_PER_SECOND
const MINUTES_MAX = 5
const OUTAGE_MS = 60_000
const GRACE_MS = 1_000
const WATCHED_AFTER_MS = 30_000
const SECOND_MS = 1_000
/** Of the limit: what counts as full speed. */
const FULL_PART = 0.9
const CALLS_MAX = 99
const FULL_AFTER_S_MAX = 5

/** Row 16: how a fleet leaves a scoring system alone that is down, and comes back to it. */
export const outage: Scenario = {
  name: "outage",
  about: `${OUTAGE_MS / 1_000} s of 500s, ${WAITING} orders waiting, 4 workers, ${LIMIT_PER_MINUTE} requests a minute allowed`,
  isLong: true,
  async measure(fixture) {
    const fleet = await makeLimitedFleet(fixture, SETTLED_BEFORE + WAITING, LIMIT_PER_MINUTE)
    const report = (settled: number) =>
      fixture.report(settled, SETTLED_BEFORE + WAITING, `${settled} orders are settled`)
    const begun = performance.now()
    await fleet.start()
    await untilSettled(fleet, SETTLED_BEFORE, MINUTES_MAX, report)
    const downAt = Date.now()
    await fleet.behave({ unavailable: true })
    await sleep(OUTAGE_MS)
    const upAt = Date.now()
    await fleet.behave({ unavailable: false })
    await sleep(WATCHED_AFTER_MS)
    const calls = await fleet.calls()
    const during = calls.filter(({ at }) => at > downAt + GRACE_MS && at < upAt)
    const after = calls.filter(({ at }) => at >= upAt)
    const seconds = (performance.now() - begun) / 1_000
    return {
      rows: [
        {
          row: "16, calls",
          what: `calls begun later than ${GRACE_MS / 1_000} s after the outage did`,
          to: "1",
          ratios: [during.length],
          target: { atMost: CALLS_MAX },
        },
        {
          row: "16, back",
          what: `seconds from its end to a second at ${FULL_PART} of the limit`,
          to: "1 s",
          ratios: [fullAfterS(after, upAt)],
          target: { atMost: FULL_AFTER_S_MAX },
        },
        {
          row: "16, peak",
          what: `calls in the fullest second of the ${WATCHED_AFTER_MS / 1_000} s after it`,
          to: "those that the limit allows in one",
          ratios: [fullestSecond(after) / LIMIT_PER_SECOND],
          target: { atMost: 1 },
        },
      ],
      runs: new Map([["all calls", [{ operations: calls.length, seconds, cpu: {} }]]]),
    }
  },
}

/** Calls are in the order of their arrival. */
function inSecondUntil(calls: Call[], last: number): number {
  const end = calls[last]?.at ?? 0
  let first = last
  while (first > 0 && (calls[first - 1]?.at ?? 0) > end - SECOND_MS) first -= 1
  return last - first + 1
}

function fullestSecond(calls: Call[]): number {
  return Math.max(...calls.map((_call, i) => inSecondUntil(calls, i)))
}

function fullAfterS(calls: Call[], upAt: number): number {
  const full = calls.findIndex(
    (_call, i) => inSecondUntil(calls, i) >= FULL_PART * LIMIT_PER_SECOND,
  )
  return ((calls[full]?.at ?? Infinity) - upAt) / 1_000
}
