import { openDatabase } from "@gofermart/shared/db/client.ts"
import { WORKER_RIGHTS } from "@gofermart/shared/db/needed-rights.ts"
import { SERVICE_TIMEOUTS } from "@gofermart/shared/db/service-timeouts.ts"
import { waitForDatabase } from "@gofermart/shared/db/wait-for-database.ts"
import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import { buildOperatorApp } from "@gofermart/shared/operator/listener.ts"
import { Readiness } from "@gofermart/shared/readiness/readiness.ts"
import { listen } from "@gofermart/shared/runtime/listen.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { exitIfCheck, exitIfHelp } from "@gofermart/shared/runtime/settings-help.ts"
import { Shutdown } from "@gofermart/shared/runtime/shutdown.ts"
import { startTracing } from "@gofermart/shared/runtime/tracing.ts"
import { readConfigOrExit } from "@gofermart/shared/runtime/config-exit.ts"
import { allSettings, readConfig } from "./config.ts"
import { checkLedger } from "./ledger-check/ledger-check.ts"
import { healthRoute, Progress } from "./operator/liveness.ts"
import { requeueOverdue } from "./requeue/requeue.ts"
import { openScoringClient } from "@gofermart/scoring-client/client.ts"
import { ScoringPacer } from "./pacing/pacer.ts"
import { startWorker } from "./worker.ts"

/** A call that takes longer when the process is to end is given up, and its job goes back. */
const CALLS_END_WITHIN_MS = 2_000

exitIfHelp("A worker of Gofermart: it polls the scoring system for what orders earn.", allSettings)
const config = readConfigOrExit(() => readConfig(process.env))
exitIfCheck(config.tracing.ignored)
const logger = createLogger("accrual-worker", config.logLevel)
const shutdown = new Shutdown(logger, config.shutdownGraceMs)
await startTracing(config.tracing, logger, shutdown)

const database = openDatabase(config.databaseUrl, "gofermart-accrual-worker", {
  connectionsMax: config.databaseConnectionsMax,
  ...SERVICE_TIMEOUTS,
})
shutdown.onClose("database", () => database.$disconnect())

// Before it takes a job, a worker is to know the fleet's pace.
await waitForDatabase(config.databaseUrl, WORKER_RIGHTS, logger)
const queue = await openAccrualQueue(config.queueUrl, logger)
shutdown.onClose("queue", () => queue.close())

const scoring = openScoringClient(config.scoringUrl, config.scoringTimeoutMs, config.concurrency)
shutdown.onClose("scoring", () => scoring.close())

const pacer = new ScoringPacer(database, queue, logger, config.scoringTimeoutMs)
shutdown.onClose("pacer", () => pacer.close())
await pacer.watch()

const readiness = new Readiness(
  config.databaseUrl,
  WORKER_RIGHTS.tables,
  Promise.resolve(queue),
  logger,
)
readiness.watch()
shutdown.onClose("readiness", () => readiness.close())

const progress = new Progress(queue, readiness, pacer, config.livenessTimeoutMs)
const worker = await startWorker(config, { database, scoring, pacer, progress, logger })
const closeWorker = async () => {
  const impatient = setTimeout(() => scoring.close(), CALLS_END_WITHIN_MS)
  await worker.close()
  clearTimeout(impatient)
}
shutdown.onClose("worker", closeWorker, shutdown.longStepMs)

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

const operatorApp = await buildOperatorApp(config.operators, logger)
healthRoute(operatorApp, progress, readiness)
const operatorsUrl = await listen(operatorApp, config.operators.address, "OPERATORS_ADDRESS")
shutdown.onClose("operators", () => operatorApp.close())

const { concurrency } = config
const scoringUrl = new URL(config.scoringUrl).host
shutdown.announce("polling", { operatorsUrl }, { concurrency, scoringUrl })
