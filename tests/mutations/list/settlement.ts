import { mutationsOf } from "../mutation.ts"
import { SETTLEMENT_RUNS } from "../test-runs.ts"

const folder = "services/accrual-worker/src/settlement"

export const settlementMutations = [
  ...mutationsOf({ file: `${folder}/decide.ts` }, SETTLEMENT_RUNS, [
    [
      "an answer's own wait may shorten the delay",
      "Math.max(delayMs, orderWaitMs ?? 0)",
      "orderWaitMs ?? delayMs",
    ],
    ["an answer's own wait is ignored", "Math.max(delayMs, orderWaitMs ?? 0)", "delayMs"],
    [
      "an answer's own wait changes every step",
      `return { do: "apply", answer: answer.answer }`,
      `return { do: "apply", answer: answer.answer, delayMs: answer.orderWaitMs }`,
    ],
    ["a 429's limit is lost", ", limitPerMinute: answer.limitPerMinute", ""],
    ["an outage forgives unusable answers", "answer.reason, polled.brokenSince)", "answer.reason)"],
    ["a 503's pause is lost", "    pauseMs,\n    orderWaitMs,\n", "    orderWaitMs,\n"],
    ["each unusable answer is the first", "polled.brokenSince ?? now", "now"],
    [
      "an order fails just after six hours",
      "brokenForMs >= BROKEN_FOR_MAX_MS",
      "brokenForMs > BROKEN_FOR_MAX_MS",
    ],
    ["begun hours count as whole ones", "Math.floor(brokenForMs", "Math.ceil(brokenForMs"],
    [
      "it is not remembered since when answers are unusable",
      "answer.reason, brokenSince)",
      "answer.reason)",
    ],
    [
      "a contradiction is not told",
      `return { do: "finish", contradicted: true }`,
      `return { do: "finish", contradicted: false }`,
    ],
    [
      "a held balance is not backed off from",
      `pollAgain(usable, circumstances, delayMs, "the balance is locked")`,
      `pollAgain(usable, circumstances, backoffMs(0, random), "the balance is locked")`,
    ],
    [
      "a verdict that could not be written waits like an unknown order",
      `answer.kind !== "NOT_REGISTERED"`,
      `answer.kind === "NOT_FINAL"`,
    ],
    [
      "an answer that is not final does not forgive unusable ones",
      `backoffMs(polled.polls, random), "not final")`,
      `backoffMs(polled.polls, random), "not final", polled.brokenSince)`,
    ],
    ["the grace time counts from the upload", "unknownMs: unknownMs ?? 0", "unknownMs: ageMs ?? 0"],
    [
      "the delay grows with the time unknown, not with the age",
      "ageMs: ageMs ?? 0",
      "ageMs: unknownMs ?? 0",
    ],
    [
      "an order's poll waits for no others",
      "fleetDelayMs(soonestMs, paceAfter, random)",
      "soonestMs",
    ],
    [
      "an outage that is announced is none",
      "pauseMs === undefined ? pace : withAnnouncedOutage(pace, pauseMs)",
      "pace",
    ],
  ]),
  ...mutationsOf({ file: `${folder}/delays.ts` }, SETTLEMENT_RUNS, [
    ["the backoff goes up to two minutes", "BACKOFF_MAX_MS = 60_000", "BACKOFF_MAX_MS = 120_000"],
    [
      "an unknown order waits for half a second",
      "UNKNOWN_DELAY_MIN_MS = 1_000",
      "UNKNOWN_DELAY_MIN_MS = 500",
    ],
    [
      "an unknown order waits for up to two hours",
      "UNKNOWN_DELAY_MAX_MS = 3_600_000",
      "UNKNOWN_DELAY_MAX_MS = 7_200_000",
    ],
    [
      "an unknown order waits for half its age",
      "UNKNOWN_DELAY_PER_AGE = 1 / 4",
      "UNKNOWN_DELAY_PER_AGE = 1 / 2",
    ],
    [
      "the last poll comes right at the end of the grace time",
      "AFTER_GRACE_MS = 50",
      "AFTER_GRACE_MS = 0",
    ],
    [
      "the last poll comes a second after the end of the grace time",
      "AFTER_GRACE_MS = 50",
      "AFTER_GRACE_MS = 1_000",
    ],
    [
      "the end of the grace time cuts no delay",
      "Math.min(jittered(byAge, UNKNOWN_DELAY_MAX_MS, random), graceLeft)",
      "jittered(byAge, UNKNOWN_DELAY_MAX_MS, random)",
    ],
    [
      "without a limit nothing waits",
      "if (perMinute === null) return delayMs",
      "if (perMinute === null) return 0",
    ],
    [
      "a limit counts for a second",
      "(waiting * 60_000) / perMinute",
      "(waiting * 1_000) / perMinute",
    ],
    [
      "orders polled before take all of a limit",
      "ROUNDS_BETWEEN_POLLS = 2",
      "ROUNDS_BETWEEN_POLLS = 1",
    ],
    [
      "a round under a limit lasts up to two hours",
      "ROUND_DELAY_MAX_MS = 3_600_000",
      "ROUND_DELAY_MAX_MS = 7_200_000",
    ],
    [
      "a limit shortens delays",
      "Math.max(delayMs, jittered(roundMs * ROUNDS_BETWEEN_POLLS, ROUND_DELAY_MAX_MS, random))",
      "jittered(roundMs * ROUNDS_BETWEEN_POLLS, ROUND_DELAY_MAX_MS, random)",
    ],
    [
      "an outage's delay lasts up to two hours",
      "OUTAGE_DELAY_MAX_MS = 3_600_000",
      "OUTAGE_DELAY_MAX_MS = 7_200_000",
    ],
    ["delays vary by a tenth", "JITTER = 0.2", "JITTER = 0.1"],
    ["delays vary to one side", "1 - JITTER + 2 * JITTER * random()", "1 + JITTER * random()"],
    ["delays vary past their bound", "maxMs / (1 + JITTER)", "maxMs"],
    [
      "delays are fractions of a millisecond",
      "Math.round(middle * (1 - JITTER + 2 * JITTER * random()))",
      "middle * (1 - JITTER + 2 * JITTER * random())",
    ],
  ]),
]
