import { openAccrualWorker } from "@gofermart/shared/queue/backend.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { announceReady } from "@gofermart/shared/runtime/shutdown.ts"
import { readPollPayload } from "@gofermart/shared/queue/poll-job.ts"
import { readConfig } from "@gofermart/accrual-worker/config.ts"
import { openScoringClient } from "@gofermart/scoring-client/client.ts"

/** As the shipped worker's. */
const LOCK_MS = 10_000
const STALLED_CHECK_INTERVAL_MS = 5_000

/** A worker that polls, as the shipped one does, and forgets the answer. */
const config = readConfig(process.env)
const scoring = openScoringClient(config.scoringUrl, config.scoringTimeoutMs, config.concurrency)
await openAccrualWorker(
  config.queueUrl,
  createLogger("polling-worker", "error"),
  async (job) => {
    const payload = readPollPayload(job.data)
    const answer = payload && (await scoring.poll(payload.number))
    // A poll that fails is quick: it must not count.
    if (answer?.kind !== "valid") {
      process.stderr.write(`${JSON.stringify(answer)}\n`)
      process.exit(1)
    }
  },
  {
    concurrency: config.concurrency,
    lockDuration: LOCK_MS,
    stalledInterval: STALLED_CHECK_INTERVAL_MS,
  },
)
announceReady({})
process.once("disconnect", () => process.exit())
