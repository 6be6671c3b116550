import { openDatabase, SERVICE_TIMEOUTS } from "@gofermart/shared/db/client.ts"
import { untilAnswers } from "@gofermart/shared/db/until-answers.ts"
import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import { readConfigOrExit } from "@gofermart/shared/runtime/env.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { announceReady, Shutdown } from "@gofermart/shared/runtime/shutdown.ts"
import { buildApp } from "./app.ts"
import { readConfig } from "./config.ts"
import { buildOperatorsApp } from "./operators/board.ts"

const config = readConfigOrExit(() => readConfig(process.env))
const logger = createLogger("api", config.logLevel)
const shutdown = new Shutdown(logger, config.shutdownGraceMs)

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
const operatorsApp = await buildOperatorsApp(openedQueue, config.operators)
const operatorsUrl = await operatorsApp.listen(config.operators.address)
shutdown.onClose("operators", () => operatorsApp.close())

logger.info({ url, operatorsUrl }, "serving")
announceReady({ url, operatorsUrl })
