import { describe, expect, it } from "vitest"
import {
  afterCalls,
  afterOutage,
  afterRefusal,
  type LearnedLimit,
  noLimit,
  pacePerMinute,
} from "./learned-limit.ts"

const MINUTE_MS = 60_000
const STEP_MS = 10
const REPORT_MS = 1_000
/** What a fleet without a limit asks. */
const UNPACED_PER_MINUTE = 60_000
const EPISODE_GAP_MS = 1_000

/** Until when it refuses; undefined when it does not. */
type Limiter = (now: number) => number | undefined

interface Run {
  /** When the last order was asked about, in seconds. */
  seconds: number
  /** When the first 429 of each episode came, in seconds. */
  episodes: number[]
  limit: LearnedLimit
}

/** Asks about `orders` at the pace that is learned; in virtual time. */
function drain(
  orders: number,
  limiter: Limiter,
  named?: (now: number) => number,
  from?: LearnedLimit,
): Run {
  let limit = from ?? noLimit(0)
  let pausedUntil = 0
  let tokens = 0
  let asked = 0
  let unreported = 0
  const refusals: number[] = []
  let now = 0
  for (; asked < orders && now < 120 * MINUTE_MS; now += STEP_MS) {
    if (now % REPORT_MS === 0) {
      limit = afterCalls(limit, unreported, now)
      unreported = 0
    }
    if (now < pausedUntil) continue
    const pace = pacePerMinute(limit, now) ?? UNPACED_PER_MINUTE
    tokens = Math.min(tokens + (pace * STEP_MS) / MINUTE_MS, Math.max(1, (pace * 100) / MINUTE_MS))
    while (tokens >= 1 && asked < orders) {
      tokens -= 1
      const refusedUntil = limiter(now)
      if (refusedUntil === undefined) {
        asked += 1
        unreported += 1
        continue
      }
      refusals.push(now)
      const pauseMs = Math.max(1_000, Math.ceil((refusedUntil - now) / 1_000) * 1_000)
      limit = afterCalls(limit, unreported, now)
      unreported = 0
      limit = afterRefusal(limit, { pauseMs, limitPerMinute: named?.(now) }, now)
      pausedUntil = now + pauseMs
      tokens = 0
    }
  }
  const episodes = refusals.filter((at, i) => at - (refusals[i - 1] ?? -Infinity) > EPISODE_GAP_MS)
  return { seconds: now / 1_000, episodes: episodes.map((at) => at / 1_000), limit }
}

/** As the simulator's: a window begins with the first request in it. */
function windows(perMinute: (now: number) => number): Limiter {
  let beganAt = -Infinity
  let admitted = 0
  let before = 0
  return (now) => {
    const max = perMinute(now)
    if (max !== before || now >= beganAt + MINUTE_MS) {
      beganAt = now
      admitted = 0
      before = max
    }
    if (admitted >= max) return beganAt + MINUTE_MS
    admitted += 1
    return undefined
  }
}

/** Refills evenly, and lets so many through at once; it says when the next one is let through. */
function bucket(perMinute: number, size: number): Limiter {
  let tokens = size
  let last = 0
  return (now) => {
    tokens = Math.min(size, tokens + ((now - last) * perMinute) / MINUTE_MS)
    last = now
    if (tokens < 1) return now + ((1 - tokens) * MINUTE_MS) / perMinute
    tokens -= 1
    return undefined
  }
}

const HALF_WAY_MS = 152_000
const CHANGES: [string, (now: number) => number, number][] = [
  ["stays", () => 600, 300],
  ["falls", (now) => (now < HALF_WAY_MS ? 600 : 300), 450],
  ["rises", (now) => (now < HALF_WAY_MS ? 600 : 1_200), 225],
]

describe("a limit that the scoring system names", () => {
  it.each(CHANGES)(
    "and that %s is used to nine tenths, with three refusals",
    (_how, max, ideal) => {
      const run = drain(3_000, windows(max), max)
      expect(run.seconds / ideal).toBeLessThan(1.1)
      expect(run.episodes.length).toBeLessThanOrEqual(3)
    },
  )

  it("is met less and less often", () => {
    const run = drain(
      600 * 100,
      windows(() => 600),
      () => 600,
    )
    const gaps = run.episodes.slice(1).map((at, i) => at - (run.episodes[i] ?? 0))
    // One minute's hold and the probe's; then two minutes', four minutes' … 32 minutes'.
    expect(gaps.map((gap) => Math.round(gap / 60))).toEqual([3, 3, 5, 9, 17, 33, 33])
  })

  it("that others use as well is left to them, and found again", () => {
    const others = (now: number) => (now < 10 * MINUTE_MS ? 300 : 600)
    const run = drain(600 * 20, windows(others), () => 600)
    const late = run.episodes.filter((at) => at > 5 * 60 && at < 10 * 60)
    expect(late.length).toBeLessThanOrEqual(5)
    expect(run.limit.perMinute).toBe(600)
  })

  it("of a bucket is kept to as well", () => {
    const run = drain(3_000, bucket(600, 10), () => 600)
    expect(run.seconds / 300).toBeLessThan(1.1)
    expect(run.episodes.length).toBeLessThanOrEqual(5)
  })
})

describe("a limit that the scoring system does not name", () => {
  it.each(CHANGES)("and that %s is found by counting", (_how, max, ideal) => {
    const run = drain(3_000, windows(max))
    expect(run.seconds / ideal).toBeLessThan(1.3)
    expect(run.episodes.length).toBeLessThanOrEqual(5)
  })

  it("counts what the other workers tell when the pause has begun", () => {
    const refused = afterRefusal(afterCalls(noLimit(0), 100, 1_000), refusal(59_000), 1_000)
    const told = afterCalls(refused, 500, 1_500)
    expect(told.perMinute).toBe(600)
    expect(afterCalls(told, 0, 2_000)).toEqual(told)
  })

  it("is a request a second at least, until that is refused as well", () => {
    const stray = afterRefusal(afterCalls(noLimit(0), 3, 1_000), refusal(600_000), 1_000)
    expect(stray.perMinute).toBe(60)
    const run = drain(2_000, () => undefined, undefined, { ...stray, windowBeganAt: 0 })
    expect(run.seconds).toBeLessThan(60)
  })
})

describe("without a limit", () => {
  it("nothing is paced, however much is asked", () => {
    let limit = noLimit(0)
    for (let now = 0; now < 10 * MINUTE_MS; now += 1_000) limit = afterCalls(limit, 5_000, now)
    expect(pacePerMinute(limit, 10 * MINUTE_MS)).toBeNull()
  })

  it("one that was lifted is forgotten", () => {
    const lifted = windows((now) => (now < MINUTE_MS ? 600 : Infinity))
    const { limit } = drain(200_000, lifted, () => 600)
    expect(limit.perMinute).toBeNull()
  })
})

describe("a refusal", () => {
  const known = afterRefusal(noLimit(0), refusal(1_000, 600), 0)

  it.each([
    ["of less is believed at once", 300, 300],
    ["of what was kept to says that others use it too", 600, 540],
    ["of more than that as well", 900, 540],
  ])("%s", (_what, named, expected) => {
    expect(afterRefusal(known, refusal(1_000, named), 30_000).perMinute).toBe(expected)
  })

  it("of a request that was on its way changes nothing, unless it names less", () => {
    const again = (named?: number) => afterRefusal(known, refusal(1_000, named), 500)
    expect(again(600).perMinute).toBe(600)
    expect(again(900).perMinute).toBe(600)
    expect(again().perMinute).toBe(600)
    expect(again(500).perMinute).toBe(500)
  })

  it("again and again leaves a tenth of what it names", () => {
    let limit = known
    for (let now = 2_000; now < 200_000; now += 2_000) {
      limit = afterRefusal(limit, refusal(1_000, 600), now)
    }
    expect(limit.perMinute).toBe(60)
  })
})

describe("a window that ends late, because the database was away", () => {
  const limit = { ...afterRefusal(noLimit(0), refusal(1_000, 600), 0), windowsHeld: 1 }

  it("is no longer probed in", () => {
    expect(pacePerMinute(limit, 1_000 + 59_000)).toBe(900)
    expect(pacePerMinute(limit, 1_000 + 64_000)).toBe(570)
    expect(pacePerMinute(limit, 1_000 + 3_600_000)).toBe(570)
  })

  it("does not say that the limit was raised", () => {
    const late = afterCalls(limit, 1_800, 181_000)
    expect(late).toMatchObject({ perMinute: 600, isClimbing: false, calls: 0 })
  })
})

describe("a fleet that asks less than it may", () => {
  const known = afterRefusal(noLimit(0), refusal(1_000, 600), 0)

  it("does not learn from a probe", () => {
    const probed = afterCalls({ ...known, windowsHeld: 1 }, 600, 61_000)
    expect(probed).toMatchObject({ perMinute: 600, isClimbing: false })
    const more = afterCalls({ ...known, windowsHeld: 1 }, 601, 61_000)
    expect(more).toMatchObject({ perMinute: 601, isClimbing: true })
  })

  it("does not climb", () => {
    const climbing = { ...known, isClimbing: true }
    expect(afterCalls(climbing, 10, 6_000)).toMatchObject({ perMinute: 600, climbs: 0 })
    expect(afterCalls(climbing, 50, 6_000)).toMatchObject({ perMinute: 1_200, climbs: 1 })
  })
})

it("a limit below one a second that is not named is found as well", () => {
  const run = drain(
    100,
    windows(() => 30),
  )
  expect(run.limit.perMinute).toBeLessThanOrEqual(30)
  expect(run.seconds / 200).toBeLessThan(1.4)
})

it("after an outage nothing is probed for a minute", () => {
  const held = { ...afterRefusal(noLimit(0), refusal(1_000, 600), 0), windowsHeld: 5 }
  expect(pacePerMinute(held, 60_500)).toBeGreaterThan(600)
  const recovered = afterOutage(held, 60_500)
  for (let now = 60_500; now < 120_000; now += 1_000) {
    expect(pacePerMinute(recovered, now)).toBe(570)
  }
})

function refusal(pauseMs: number, limitPerMinute?: number) {
  return { pauseMs, limitPerMinute }
}
