import { readConfigOrExit } from "@gofermart/shared/runtime/config-exit.ts"
import { listen } from "@gofermart/shared/runtime/listen.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { exitIfCheck } from "@gofermart/shared/runtime/settings-help.ts"
import { Shutdown } from "@gofermart/shared/runtime/shutdown.ts"
import { buildSimulator } from "./app.ts"
import { helpText, readConfig, type Config } from "./config.ts"

const SHUTDOWN_GRACE_MS = 10_000

async function serve({ address, logLevel, ...options }: Config): Promise<void> {
  const logger = createLogger("scoring-simulator", logLevel)
  const shutdown = new Shutdown(logger, SHUTDOWN_GRACE_MS)
  const app = buildSimulator({ ...options, logger })
  shutdown.onClose("HTTP server", () => app.close())
  const url = await listen(app, address, "SIMULATOR_ADDRESS")
  shutdown.announce("serving", { url })
}

const config = readConfigOrExit(() => readConfig(process.argv.slice(2), process.env))
if (config === "help") {
  process.stdout.write(helpText())
} else {
  exitIfCheck([])
  await serve(config)
}
