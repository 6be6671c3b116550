import { constants } from "node:os"
import { readConfigOrExit } from "../runtime/config-exit.ts"
import { ConfigError } from "../runtime/env.ts"
import { createLogger, logConsole } from "../runtime/logger.ts"
import { exitIfHelp } from "../runtime/settings-help.ts"
import { endOnUncaught } from "../runtime/uncaught.ts"
import { migrate } from "./migrate.ts"
import { readMigrationSettings, Schema } from "./settings.ts"

exitIfHelp("Brings the database's schema up to date, and the queue's.", Schema.properties)
const { databaseUrl, queueUrl } = readConfigOrExit(() => readMigrationSettings(process.env))
const logger = createLogger("migrate", "info")
endOnUncaught(logger)
logConsole(logger)

const stopping = new AbortController()
/** The server ends a statement sooner, unless it cannot be asked to. */
const STOP_MAX_MS = 5_000
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    stopping.abort(signal)
    setTimeout(exitStopped, STOP_MAX_MS).unref()
  })
}

function exitStopped(): never {
  const signal = stopping.signal.reason as "SIGINT" | "SIGTERM"
  logger.warn({ signal }, "stopped: the migration that was under way is not done; migrate again")
  process.exit(128 + constants.signals[signal])
}

try {
  const applied = await migrate(
    databaseUrl,
    queueUrl,
    (message, details) => logger.warn(details, message),
    { signal: stopping.signal },
  )
  logger.info({ applied }, applied.length === 0 ? "the schema is up to date" : "migrated")
} catch (error) {
  if (stopping.signal.aborted) exitStopped()
  if (error instanceof ConfigError) throw error
  logger.fatal({ err: error }, "the database could not be migrated")
  process.exit(1)
}
