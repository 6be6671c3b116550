import { openAccrualWorker } from "@gofermart/shared/queue/backend.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { announceReady } from "@gofermart/shared/runtime/shutdown.ts"
import { readPollPayload } from "@gofermart/shared/queue/poll-job.ts"
import { readConfig } from "@gofermart/accrual-worker/config.ts"
import { openScoringClient } from "@gofermart/accrual-worker/scoring/client.ts"

/** A worker that asks, as the shipped one does, and forgets the answer. */
const config = readConfig(process.env)
const scoring = openScoringClient(config.scoringUrl, config.scoringTimeoutMs, config.concurrency)
await openAccrualWorker(
  config.queueUrl,
  createLogger("asking-worker", "error"),
  async (job) => {
    const payload = readPollPayload(job.data)
    if (payload !== undefined) await scoring.ask(payload.number)
  },
  { concurrency: config.concurrency },
)
announceReady({})
process.once("disconnect", () => process.exit())
