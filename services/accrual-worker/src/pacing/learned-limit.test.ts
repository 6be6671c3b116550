import { describe, expect, it } from "vitest"
import {
  afterCalls,
  afterOutage,
  afterRefusal,
  isAwaitingAnswer,
  isGuess,
  lastingPerMinute,
  type LearnedLimit,
  noLimit,
  pacePerMinute,
} from "./learned-limit.ts"

const MINUTE_MS = 60_000
const STEP_MS = 10
const REPORT_MS = 1_000
/** What a fleet without a limit polls. */
const UNPACED_PER_MINUTE = 60_000
const EPISODE_GAP_MS = 1_000

/** Until when it refuses; undefined when it does not. */
type Limiter = (now: number) => number | undefined

interface Run {
  /** When the last order was polled, in seconds. */
  seconds: number
  /** When the first 429 of each episode came, in seconds. */
  episodes: number[]
  limit: LearnedLimit
}

/** Polls `orders` at the pace that is learned; in virtual time. */
function drain(
  orders: number,
  limiter: Limiter,
  named?: (now: number) => number,
  from?: LearnedLimit,
): Run {
  let limit = from ?? noLimit(0)
  let pausedUntil = 0
  let tokens = 0
  let polled = 0
  let unreported = 0
  const refusals: number[] = []
  let now = 0
  for (; polled < orders && now < 120 * MINUTE_MS; now += STEP_MS) {
    if (now % REPORT_MS === 0) {
      limit = afterCalls(limit, unreported, now)
      unreported = 0
    }
    if (now < pausedUntil) continue
    const pace = pacePerMinute(limit, now) ?? UNPACED_PER_MINUTE
    tokens = Math.min(tokens + (pace * STEP_MS) / MINUTE_MS, Math.max(1, (pace * 100) / MINUTE_MS))
    while (tokens >= 1 && polled < orders) {
      tokens -= 1
      const refusedUntil = limiter(now)
      if (refusedUntil === undefined) {
        polled += 1
        unreported += 1
        // The answer that says that a pause is really over is told of at once.
        if (isAwaitingAnswer(limit)) {
          limit = afterCalls(limit, unreported, now)
          unreported = 0
        }
        continue
      }
      refusals.push(now)
      const pauseMs = Math.max(1_000, Math.ceil((refusedUntil - now) / 1_000) * 1_000)
      limit = afterCalls(limit, unreported, now)
      unreported = 0
      limit = afterRefusal(limit, { pauseMs, limitPerMinute: named?.(now) }, now)
      pausedUntil = now + pauseMs
      tokens = 1
      break
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

  it("is met less and less often, but every 17 minutes at the least", () => {
    const run = drain(
      600 * 100,
      windows(() => 600),
      () => 600,
    )
    const gaps = run.episodes.slice(1).map((at, i) => at - (run.episodes[i] ?? 0))
    // One minute's hold and the probe's; then two minutes', four minutes' … 16 minutes'.
    expect(gaps.map((gap) => Math.round(gap / 60))).toEqual([3, 3, 5, 9, 17, 17, 17, 17, 17])
  })

  it.each([1, 2, 3])("of %i a minute is probed with more, and kept to", (max) => {
    const run = drain(
      max * 30,
      windows(() => max),
      () => max,
    )
    expect(run.seconds / (30 * 60)).toBeLessThan(1.1)
    expect(run.limit).toMatchObject({ perMinute: max, isConfirmed: true })
  })

  it.each([1, 2, 600])(
    "of %i a minute that is named by mistake is over within minutes",
    (named) => {
      const mistaken = afterRefusal(noLimit(0), refusal(1_000, named), 0)
      const run = drain(100_000, () => undefined, undefined, mistaken)
      expect(run.limit.perMinute).toBeNull()
      expect(run.seconds).toBeLessThan(300)
    },
  )

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
    expect(run.seconds / ideal).toBeLessThan(1.1)
    expect(run.episodes.length).toBeLessThanOrEqual(5)
  })

  it("of a bucket is found by counting as well", () => {
    const run = drain(3_000, bucket(600, 10))
    expect(run.seconds / 300).toBeLessThan(1.3)
    expect(run.episodes.length).toBeLessThanOrEqual(5)
  })

  it("is confirmed by a probe that meets it, and then met less and less often", () => {
    const run = drain(
      600 * 40,
      windows(() => 600),
    )
    expect(run.limit.isConfirmed).toBe(true)
    const gaps = run.episodes.slice(1).map((at, i) => at - (run.episodes[i] ?? 0))
    expect(gaps.map((gap) => Math.round(gap / 60))).toEqual([1, 2, 3, 5, 9, 17])
  })

  it("is a request a second at least, so that a lower one is met each minute", () => {
    const stray = afterRefusal(afterCalls(noLimit(0), 3, 1_000), refusal(600_000), 1_000)
    expect(stray.perMinute).toBe(60)
    const run = drain(
      100,
      windows(() => 30),
    )
    expect(run.limit.perMinute).toBe(60)
    expect(run.seconds / 200).toBeLessThan(1.1)
  })
})

describe("a refusal without a number", () => {
  const named = answered(afterRefusal(noLimit(0), refusal(1_000, 600), 0), 1, 2_000)

  it("again and again, with nothing answered in between, teaches no more than the first", () => {
    for (const first of [noLimit(0), named]) {
      let limit = afterRefusal(first, refusal(1_000), 20_000)
      const { perMinute, isConfirmed, isClimbing } = limit
      for (let now = 21_000; now < 620_000; now += 1_000) {
        limit = afterCalls(limit, 0, now)
        limit = afterRefusal(limit, refusal(1_000), now)
      }
      expect(limit).toMatchObject({ perMinute, isConfirmed, isClimbing })
    }
  })

  it.each([
    ["as many as were allowed, less a tenth", 190, 540],
    ["fewer", 150, 450],
    ["far fewer, no less than half", 10, 300],
  ])("leaves of a limit what was answered: %s", (_how, calls, left) => {
    const met = afterRefusal(answered(named, calls - 1, 15_000), refusal(6_000), 15_000)
    expect(met).toMatchObject({ perMinute: left, isConfirmed: false, isClimbing: false })
  })

  it.each([20, 60])("leaves a limit of %i as it is: no guess is lower", (perMinute) => {
    const low = answered(afterRefusal(noLimit(0), refusal(1_000, perMinute), 0), 5, 15_000)
    const met = afterRefusal(low, refusal(1_000), 15_000)
    expect(met).toMatchObject({ perMinute, isConfirmed: true })
  })

  it("of a probe says that a limit is still the same", () => {
    const held = { ...named, windowsHeld: 1, calls: 500 }
    const met = afterRefusal(held, refusal(10_000), 51_000)
    expect(met).toMatchObject({ perMinute: 600, isConfirmed: true, failedProbes: 1 })
  })

  it("of a guess's probe confirms what was answered, within what was polled", () => {
    const guess = { ...named, isConfirmed: false }
    const metAfter = (calls: number) =>
      afterRefusal({ ...guess, calls }, refusal(10_000), 51_000).perMinute
    expect(metAfter(500)).toBe(600)
    expect(metAfter(700)).toBe(700)
    expect(metAfter(5_000)).toBe(900)
    const { isConfirmed, failedProbes } = afterRefusal(guess, refusal(10_000), 51_000)
    expect({ isConfirmed, failedProbes }).toEqual({ isConfirmed: true, failedProbes: 1 })
  })
})

describe("a pause that is over", () => {
  const refused = afterRefusal(noLimit(0), refusal(1_000, 6_000), 0)

  it("is so when an answer says so: until then one a second is polled", () => {
    expect(pacePerMinute(refused, 1_000)).toBe(60)
    expect(pacePerMinute(refused, 59_000)).toBe(60)
    const low = afterRefusal(noLimit(0), refusal(1_000, 10), 0)
    expect(pacePerMinute(low, 1_000)).toBe(9.5)
    expect(pacePerMinute(afterCalls(refused, 1, 2_000), 2_000)).toBe(5_700)
  })

  it("is not so by what was polled before it", () => {
    expect(isAwaitingAnswer(afterCalls(refused, 100, 500))).toBe(true)
  })

  it("is not so because a shorter one is", () => {
    const long = afterRefusal(noLimit(0), refusal(60_000), 0)
    expect(afterRefusal(long, refusal(1_000), 2_000).windowBeganAt).toBe(60_000)
    expect(afterRefusal(long, refusal(60_000), 2_000).windowBeganAt).toBe(62_000)
  })
})

describe("orders that are put off", () => {
  const named = afterRefusal(noLimit(0), refusal(60_000, 600), 0)

  it("count on what is held to, in a pause and in a probe as well", () => {
    expect(lastingPerMinute(named)).toBe(570)
    expect(lastingPerMinute({ ...named, windowsHeld: 9 })).toBe(570)
  })

  it("do not wait for a guess, nor for a limit that is being exceeded", () => {
    expect(lastingPerMinute(noLimit(0))).toBeNull()
    expect(lastingPerMinute(afterRefusal(noLimit(0), refusal(60_000), 0))).toBeNull()
    expect(lastingPerMinute({ ...named, isConfirmed: false })).toBeNull()
    expect(lastingPerMinute({ ...named, isClimbing: true })).toBeNull()
  })
})

describe("without a limit", () => {
  it("nothing is paced, however much is polled", () => {
    let limit = noLimit(0)
    for (let now = 0; now < 10 * MINUTE_MS; now += 1_000) limit = afterCalls(limit, 5_000, now)
    expect(pacePerMinute(limit, 10 * MINUTE_MS)).toBeNull()
  })

  it("a guess is made from the last minute or two", () => {
    let limit = noLimit(0)
    for (let now = 1_000; now <= 10 * MINUTE_MS; now += 1_000) limit = afterCalls(limit, 10, now)
    const { perMinute } = afterRefusal(limit, refusal(1_000), 10 * MINUTE_MS)
    expect(perMinute).toBeGreaterThan(500)
    expect(perMinute).toBeLessThan(700)
    const idle = afterCalls(limit, 10, 20 * MINUTE_MS)
    expect(afterRefusal(idle, refusal(1_000), 20 * MINUTE_MS).perMinute).toBe(600)
  })

  it.each([
    ["counted for a minute", MINUTE_MS - 1, 0, 600],
    ["halved after it", MINUTE_MS, MINUTE_MS / 2, 300],
    ["halved until two have passed", 2 * MINUTE_MS - 1, MINUTE_MS / 2, 300],
    ["dropped then, but for the latest", 2 * MINUTE_MS, 2 * MINUTE_MS, 500],
  ])("calls are %s", (_how, now, windowBeganAt, calls) => {
    const counting = { ...noLimit(0), calls: 100 }
    expect(afterCalls(counting, 500, now)).toEqual({ ...noLimit(windowBeganAt), calls })
  })

  it("there is no guess, and no answer to wait for", () => {
    expect(isGuess(noLimit(0))).toBe(false)
    expect(isAwaitingAnswer(noLimit(0))).toBe(false)
  })

  it("one that was lifted is forgotten", () => {
    const lifted = windows((now) => (now < MINUTE_MS ? 600 : Infinity))
    const { limit } = drain(200_000, lifted, () => 600)
    expect(limit).toMatchObject({ perMinute: null, isConfirmed: false, isClimbing: false })
  })
})

describe("a refusal that names a limit", () => {
  const known = answered(afterRefusal(noLimit(0), refusal(1_000, 600), 0), 100, 20_000)

  it.each([
    ["of less is believed at once", 300, 300],
    ["of what was kept to says that others use it too", 600, 540],
    ["of more than that as well", 900, 540],
  ])("%s", (_what, named, expected) => {
    expect(afterRefusal(known, refusal(1_000, named), 30_000).perMinute).toBe(expected)
  })

  it("of a request that was on its way changes nothing, unless it names less", () => {
    const refused = afterRefusal(noLimit(0), refusal(1_000, 600), 0)
    const again = (named?: number) => afterRefusal(refused, refusal(1_000, named), 500)
    expect(again(600).perMinute).toBe(600)
    expect(again(900).perMinute).toBe(600)
    expect(again().perMinute).toBe(600)
    expect(again(500).perMinute).toBe(500)
  })

  it.each([
    [600, 60],
    [5, 1],
  ])("of %i again and again leaves a tenth of it, and one at least", (named, left) => {
    let limit = afterRefusal(noLimit(0), refusal(1_000, named), 0)
    for (let now = 2_000; now < 200_000; now += 2_000) {
      limit = afterRefusal(afterCalls(limit, 1, now), refusal(1_000, named), now)
    }
    expect(limit.perMinute).toBe(left)
  })

  it("takes a guess's place, whether it is more or less", () => {
    const guess = afterRefusal(afterCalls(noLimit(0), 300, 1_000), refusal(59_000), 1_000)
    expect(guess).toMatchObject({ perMinute: 300, isConfirmed: false, isClimbing: true })
    const met = { ...guess, isClimbing: false, calls: 100 }
    for (const named of [100, 900]) {
      for (const [before, now] of [
        [guess, 1_500],
        [met, 80_000],
      ] as const) {
        const told = afterRefusal(before, refusal(59_000, named), now)
        expect(told).toMatchObject({ perMinute: named, isConfirmed: true, isClimbing: false })
      }
    }
  })

  it("of a probe is the limit: probed later when it is the same, as at first when it is not", () => {
    const probing = { ...known, windowsHeld: 4, failedProbes: 2 }
    const met = (named: number) => afterRefusal(probing, refusal(10_000, named), 51_000)
    expect(met(600)).toMatchObject({ perMinute: 600, failedProbes: 3 })
    expect(met(900)).toMatchObject({ perMinute: 900, failedProbes: 0 })
  })
})

describe("a window that ends late, because the database was away", () => {
  const limit = answered(
    { ...afterRefusal(noLimit(0), refusal(1_000, 600), 0), windowsHeld: 1 },
    10,
    2_000,
  )

  it("is no longer probed in", () => {
    expect(pacePerMinute(limit, 1_000 + 39_000)).toBe(570)
    expect(pacePerMinute(limit, 1_000 + 40_000)).toBe(906)
    expect(pacePerMinute(limit, 1_000 + 62_999)).toBe(906)
    expect(pacePerMinute(limit, 1_000 + 63_000)).toBe(570)
    expect(pacePerMinute(limit, 1_000 + 3_600_000)).toBe(570)
  })

  it("does not say that the limit was raised", () => {
    const late = afterCalls(limit, 1_790, 181_000)
    expect(late).toMatchObject({ perMinute: 600, isClimbing: false, calls: 0, windowsHeld: 2 })
    expect(afterCalls(limit, 1_791, 181_000).isClimbing).toBe(true)
  })

  it("again and again keeps no limit for good", () => {
    let known: LearnedLimit = limit
    let now = 2_000
    while (known.perMinute !== null && now < 30 * MINUTE_MS) {
      let polled = 0
      for (const lookedUpAt = now; now < lookedUpAt + 7_000; now += 1_000) {
        polled += (pacePerMinute(known, now) ?? 0) / 60
      }
      known = afterCalls(known, Math.floor(polled), now)
    }
    expect(known.perMinute).toBeNull()
  })
})

describe("a fleet that polls less than it may", () => {
  const known = { ...afterRefusal(noLimit(0), refusal(1_000, 600), 0), windowsHeld: 1 }

  it("does not learn from a probe, and probes with more the next time", () => {
    const probed = afterCalls(known, 600, 61_000)
    expect(probed).toMatchObject({ perMinute: 600, isClimbing: false, windowsHeld: 2 })
    expect(pacePerMinute(probed, 120_000)).toBe(2 * 906)
    expect(pacePerMinute({ ...probed, windowsHeld: 100 }, 120_000)).toBe(8 * 906)
    const more = afterCalls(known, 601, 61_000)
    expect(more).toMatchObject({ perMinute: 600, isClimbing: true })
    // Without a probe, more were answered before the pause, and told of late.
    const late = afterCalls({ ...known, windowsHeld: 0 }, 601, 61_000)
    expect(late).toMatchObject({ perMinute: 600, isClimbing: false, windowsHeld: 1 })
  })

  it("does not probe with more because nothing was polled", () => {
    let idle: LearnedLimit = known
    for (let now = 61_000; now < 30 * MINUTE_MS; now += MINUTE_MS) idle = afterCalls(idle, 0, now)
    expect(pacePerMinute(idle, idle.windowBeganAt + 59_000)).toBe(906)
    const early = afterCalls({ ...known, windowsHeld: 0 }, 0, 61_000)
    expect(early.windowsHeld).toBe(1)
  })

  it("drops a guess that no window has met, but not for a window without calls", () => {
    const guess = { ...known, isConfirmed: false }
    expect(afterCalls(guess, 1, 61_000).isClimbing).toBe(true)
    expect(afterCalls(guess, 0, 61_000).isClimbing).toBe(false)
    const climbing = { ...guess, isClimbing: true }
    expect(afterCalls(climbing, 1, 51_000).perMinute).toBeNull()
    expect(afterCalls(climbing, 0, 51_000)).toMatchObject({ perMinute: 600, isClimbing: true })
  })
})

it("a fleet that climbs polls twice as much every five seconds, to a thousand times as much", () => {
  const climbing = { ...noLimit(0), perMinute: 600, isClimbing: true, windowsHeld: 1 }
  const paceAt = (now: number) => pacePerMinute(climbing, now)
  expect([0, 4_999, 5_000, 12_000, 49_000].map(paceAt)).toEqual([600, 600, 1_200, 2_400, 307_200])
  expect(paceAt(3_600_000)).toBe(600 * 1_024)
})

it("after an outage nothing is probed for a minute, and no further answer is waited for", () => {
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

function answered(limit: LearnedLimit, calls: number, now: number): LearnedLimit {
  return afterCalls(limit, calls, now)
}
