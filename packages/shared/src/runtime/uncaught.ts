import { exitUnusable } from "./config-exit.ts"
import { ConfigError } from "./env.ts"
import type { Logger } from "./logger.ts"

/**
 * Ends the process after an error that nobody has caught: with `EXIT_CONFIG` and its message when
 * only another setting can help, with 1 and a line in the log for a defect. Node's own report would
 * show everything that hangs on the error, such as the text that could not be parsed.
 */
export function endOnUncaught(logger: Logger): void {
  process.on("uncaughtException", (error: unknown) => {
    if (error instanceof ConfigError) return exitUnusable(error)
    logger.fatal({ err: error }, "a defect ended the process")
    process.exit(1)
  })
}
