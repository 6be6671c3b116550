import { openDatabase, SERVICE_TIMEOUTS } from "@gofermart/shared/db/client.ts"
import { untilAnswers } from "@gofermart/shared/db/until-answers.ts"
import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import { buildOperatorsApp } from "@gofermart/shared/operators/listener.ts"
import { readConfigOrExit } from "@gofermart/shared/runtime/env.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { announceReady, Shutdown } from "@gofermart/shared/runtime/shutdown.ts"
import { startTracing } from "@gofermart/shared/runtime/tracing.ts"
import { buildApp } from "./app.ts"
import { readConfig } from "./config.ts"
import { showBoard } from "./operators/board.ts"
import { watchFleet } from "./operators/fleet.ts"
import { orderPage } from "./operators/order-page.ts"

const config = readConfigOrExit(() => readConfig(process.env))
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

const app = await buildApp({ config, database, queue, logger })
const url = await app.listen(config.address)
shutdown.onClose("app", () => app.close(), shutdown.longStepMs)

await untilAnswers(database, logger)
const openedQueue = await queue
closeQueue = () => openedQueue.close()
const operatorsApp = await buildOperatorsApp(config.operators)
const shown = { queue: openedQueue, database, isReadOnly: config.boardIsReadOnly }
await showBoard(operatorsApp, shown)
orderPage(operatorsApp, shown)
const operatorsUrl = await operatorsApp.listen(config.operators.address)
shutdown.onClose("operators", () => operatorsApp.close())

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

logger.info({ url, operatorsUrl }, "serving")
announceReady({ url, operatorsUrl })
