import { openDatabase, SERVICE_TIMEOUTS } from "@gofermart/shared/db/client.ts"
import { untilAnswers } from "@gofermart/shared/db/until-answers.ts"
import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import { buildOperatorsApp } from "@gofermart/shared/operators/listener.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { announceReady, Shutdown } from "@gofermart/shared/runtime/shutdown.ts"
import { startTracing } from "@gofermart/shared/runtime/tracing.ts"
import { readConfigOrExit } from "@gofermart/shared/runtime/env.ts"
import { readConfig } from "./config.ts"
import { checkLedger } from "./ledger-check/ledger-check.ts"
import { healthRoute, Progress } from "./operators/liveness.ts"
import { requeueOverdue } from "./requeue/requeue.ts"
import { openScoringClient } from "@gofermart/scoring-client/client.ts"
import { ScoringPacer } from "./scoring/pacer.ts"
import { startWorker } from "./worker.ts"

const config = readConfigOrExit(() => readConfig(process.env))
const logger = createLogger("accrual-worker", config.logLevel)
const shutdown = new Shutdown(logger, config.shutdownGraceMs)
await startTracing(config.tracing, logger, shutdown)

const database = openDatabase(config.databaseUrl, "gofermart-accrual-worker", {
  connectionsMax: config.databaseConnectionsMax,
  ...SERVICE_TIMEOUTS,
})
shutdown.onClose("database", () => database.$disconnect())

// Before it takes a job, a worker is to know the fleet's pace.
await untilAnswers(database, logger)
const queue = await openAccrualQueue(config.queueUrl, logger)
shutdown.onClose("queue", () => queue.close())

const scoring = openScoringClient(config.scoringUrl, config.scoringTimeoutMs, config.concurrency)
shutdown.onClose("scoring", () => scoring.close())

const pacer = new ScoringPacer(database, queue, logger, config.scoringTimeoutMs)
shutdown.onClose("pacer", () => pacer.close())
await pacer.watch()

const progress = new Progress(queue, pacer, config.livenessTimeoutMs)
const worker = await startWorker(config, { database, scoring, pacer, progress, logger })
shutdown.onClose("worker", () => worker.close(), shutdown.longStepMs)

const stopping = new AbortController()
const requeue = requeueOverdue(
  { database, queue, logger },
  config.lease,
  config.requeueIntervalMs,
  stopping.signal,
)
const ledgerCheck = checkLedger({ database, logger }, config.ledgerCheckIntervalMs, stopping.signal)
shutdown.onClose("requeue and ledger check", async () => {
  stopping.abort()
  await Promise.all([requeue, ledgerCheck])
})

const operatorsApp = await buildOperatorsApp(config.operators)
healthRoute(operatorsApp, progress)
const operatorsUrl = await operatorsApp.listen(config.operators.address)
shutdown.onClose("operators", () => operatorsApp.close())

const { concurrency } = config
logger.info({ concurrency, scoringUrl: new URL(config.scoringUrl).host, operatorsUrl }, "asking")
announceReady({ operatorsUrl })
