/**
 * What no test notices, and why: of the list by its name, of Stryker's by file, text and replacement.
 * Whatever survives and is not here is a gap in the tests.
 */
export const survivors: Record<string, string> = {
  "requeue.ts: a clock that was set back hides leases":
    "No test sets back the clock of a PostgreSQL server; a unit holds what is forgotten then.",

  ...inFile("packages/shared/src/domain/order-number.ts", {
    "`not a string of digits: ${digits}` → ``": "A message for whoever reads a stack trace.",
    "number !== undefined → true":
      "Undefined as text is not all zeros, and is what is returned then.",
    "sum += doubled > 9 ? doubled - 9 : doubled → sum -= doubled > 9 ? doubled - 9 : doubled":
      "The negative of a sum has ten for a divisor when the sum has.",
  }),
  ...inFile("packages/shared/src/domain/points.ts", {
    '"not an amount of points" → ""': "A message for whoever reads a stack trace.",
    '"exact" → ""': "Whatever is not half-up is exact.",
    '"" → "Stryker was here!"': "Sign and whole part are in every match.",
    '"0" → ""': "Without digits Number makes 0 of both.",
    "shift >= 0 → shift > 0": "To multiply by one and to divide by one is the same.",
    "shift > String(POINTS_MAX).length → false":
      "A number so large is past every amount; the bound saves the work of making it.",
    "shift > String(POINTS_MAX).length → shift >= String(POINTS_MAX).length":
      "So is the smallest of these.",
  }),
  ...inFile("services/accrual-worker/src/settlement/decide.ts", {
    "pauseMs === undefined → false": "A pause that is undefined is none.",
  }),
  ...inFile("services/accrual-worker/src/pacing/allowance.ts", {
    "pace.recoveredAt === null → false":
      "Since 1970, which is what null counts as, more time has passed than a ramp lasts.",
  }),
  ...inFile("services/accrual-worker/src/pacing/pace-changes.ts", {
    "pace.limit.windowBeganAt <= now → pace.limit.windowBeganAt < now":
      "An instant is replaced by itself.",
  }),
  ...inFile("packages/scoring-client/src/answer.ts", {
    'answer.kind === "unavailable" → true': "Every 503 is unavailable.",
    '"" → "Stryker was here!"': "Neither is JSON.",
  }),
  ...inFile("packages/scoring-client/src/rate-limit.ts", {
    '[] → ["Stryker was here"]': "The first of the two is left out.",
  }),
  ...inFile("packages/scoring-client/src/retry-after.ts", {
    '"" → "Stryker was here!"': "Neither is a number or a date.",
  }),
  ...inFile("services/accrual-worker/src/pacing/known-pause.ts", {
    "pausedUntil !== null → true":
      "Without a row there is no pause; whether it ended now or never, nothing was polled before it.",
  }),
  ...inFile("services/accrual-worker/src/pacing/learned-limit.ts", {
    "perMinute === null → false": "No limit that is null is confirmed, which is asked next.",
    "{ ...learned, perMinute, failedProbes } → {}":
      "A confirmed limit that is not being exceeded has all of it already.",
    "{ perMinute, isConfirmed, isClimbing, failedProbes } → {}":
      "It is what the limit has already.",
  }),
  ...inFile("services/accrual-worker/src/pacing/outage.ts", {
    "this.#reset(now) → ;":
      "A worker that is not reachable tells of no outage until an answer, which resets as well.",
    "oldest !== undefined → true": "Of five calls under way there is an oldest.",
  }),
}

function inFile(file: string, reasons: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(reasons).map(([mutant, why]) => [`${file}: ${mutant}`, why]),
  )
}
