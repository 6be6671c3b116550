import { setTimeout as sleep } from "node:timers/promises"
import { openDatabase } from "@gofermart/shared/db/client.ts"
import { API_RIGHTS } from "@gofermart/shared/db/needed-rights.ts"
import { SERVICE_TIMEOUTS } from "@gofermart/shared/db/service-timeouts.ts"
import { waitForDatabase } from "@gofermart/shared/db/wait-for-database.ts"
import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import { Readiness } from "@gofermart/shared/readiness/readiness.ts"
import { readConfigOrExit } from "@gofermart/shared/runtime/config-exit.ts"
import { listen } from "@gofermart/shared/runtime/listen.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { exitIfCheck, exitIfHelp } from "@gofermart/shared/runtime/settings-help.ts"
import { Shutdown } from "@gofermart/shared/runtime/shutdown.ts"
import { startTracing } from "@gofermart/shared/runtime/tracing.ts"
import { buildApp } from "./app.ts"
import { allSettings, readConfig } from "./config.ts"
import { buildApiOperatorApp } from "./operator/app.ts"
import { watchFleet } from "./operator/fleet.ts"

/** For a proxy that asks `/readyz` four times a second, and believes the second refusal. */
const ANNOUNCED_MS = 1_000

exitIfHelp("The API of Gofermart: customers upload orders, and pay with points.", allSettings)
const config = readConfigOrExit(() => readConfig(process.env))
exitIfCheck(config.tracing.ignored)
const logger = createLogger("api", config.logLevel)
const shutdown = new Shutdown(logger, config.shutdownGraceMs)
await startTracing(config.tracing, logger, shutdown)

const database = openDatabase(config.databaseUrl, "gofermart-api", {
  connectionsMax: config.databaseConnectionsMax,
  ...SERVICE_TIMEOUTS,
})
shutdown.onClose("database", () => database.$disconnect())

const queue = openAccrualQueue(config.queueUrl, logger)
let closeQueue = async () => {}
shutdown.onClose("queue", () => closeQueue())

const readiness = new Readiness(config.databaseUrl, API_RIGHTS.tables, queue, logger)
readiness.watch()
shutdown.onClose("readiness", () => readiness.close())

const app = await buildApp({ config, database, queue, readiness, logger })
const url = await listen(app, config.address, "RUN_ADDRESS")
shutdown.onClose("app", () => app.close(), shutdown.longStepMs)
shutdown.onClose("announcement", announceStop, 2 * ANNOUNCED_MS)

await waitForDatabase(config.databaseUrl, API_RIGHTS, logger)
const openedQueue = await queue
closeQueue = () => openedQueue.close()
const operatorApp = await buildApiOperatorApp(config.operators, {
  queue: openedQueue,
  database,
  isReadOnly: config.boardIsReadOnly,
  logger,
})
const operatorsUrl = await listen(operatorApp, config.operators.address, "OPERATORS_ADDRESS")
shutdown.onClose("operators", () => operatorApp.close())

const stopWatching = new AbortController()
const watching = watchFleet(
  { database, queue: openedQueue, logger },
  config.fleetWatchIntervalMs,
  stopWatching.signal,
)
shutdown.onClose("fleet watch", () => {
  stopWatching.abort()
  return watching
})

shutdown.announce("serving", { url, operatorsUrl })

/** Proxies that ask `/readyz` send the last request before connections are refused. Nobody else needs to be waited for. */
async function announceStop(): Promise<void> {
  readiness.announceStop()
  if (config.operators.trustedProxies.length > 0) await sleep(ANNOUNCED_MS)
}
