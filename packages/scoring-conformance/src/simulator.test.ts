import { buildSimulator } from "@gofermart/scoring-simulator/app.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { expect, onTestFinished, test } from "vitest"
import { checkConformance } from "./conformance.ts"
import { passWaits } from "./pass-waits.ts"

/** Few enough to be met soon, and so many that most of the check comes between two refusals. */
const REQUESTS_PER_MINUTE = 15
const WINDOW_MS = 2_000
/** REGISTERED, PROCESSING, and then the verdict. */
const PENDING_ANSWERS = 2

test("the simulator honours every rule of the protocol", async () => {
  onTestFinished(passWaits())
  const app = buildSimulator({
    behaviour: {
      requestsPerMinute: REQUESTS_PER_MINUTE,
      windowMs: WINDOW_MS,
      pendingAnswers: PENDING_ANSWERS,
    },
    logger: createLogger("scoring-simulator", "silent"),
  })
  try {
    const url = new URL(await app.listen({ port: 0, host: "127.0.0.1" }))
    const outcome = await checkConformance(url, {
      orders: [],
      register: true,
      limitWithin: REQUESTS_PER_MINUTE,
      progress: () => undefined,
    })
    if (outcome.kind !== "reported") throw new Error(outcome.reason)
    const notHonoured = outcome.report.checks.filter(({ verdict }) => verdict !== "honoured")
    expect(notHonoured).toEqual([])
    expect(outcome.report).toMatchObject({ violated: 0, notSeen: 0 })
  } finally {
    await app.close()
  }
})
