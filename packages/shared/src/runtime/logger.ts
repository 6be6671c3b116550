import { format } from "node:util"
import { pino, type Logger } from "pino"

export type { Logger }

/** Where a secret could stand in an object that somebody logs. */
const SECRETS = [
  "password",
  "token",
  "authorization",
  "cookie",
  "*.password",
  "*.token",
  "*.authorization",
  "*.cookie",
  '*["set-cookie"]',
  "req.headers",
  "*.connectionString",
]

/** One JSON line per thing that matters on standard output; readable ones on a terminal. */
export function createLogger(service: string, level: string): Logger {
  const options = {
    level,
    base: { service },
    redact: SECRETS,
    serializers: { err: describeError },
  }
  return process.stdout.isTTY
    ? pino({ ...options, transport: { target: "pino-pretty" } })
    : pino(options)
}

const CONSOLE_LEVELS = {
  debug: "debug",
  log: "info",
  info: "info",
  warn: "warn",
  error: "error",
} as const

/**
 * Makes lines of the log of what libraries write to the console, and of Node's own warnings: whoever
 * collects the log expects JSON.
 */
export function logConsole(logger: Logger): void {
  for (const [method, level] of Object.entries(CONSOLE_LEVELS)) {
    const write = (...args: unknown[]) => logger[level]({ from: "console" }, format(...args))
    Object.assign(console, { [method]: write })
  }
  process.removeAllListeners("warning")
  process.on("warning", (warning) => logger.warn({ err: warning }, "Node warns"))
}

/** Libraries hang what they were doing on their errors, such as a Redis command with a password. */
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) }
  const { name, message, stack } = error
  const { code } = error as { code?: string | number }
  return { type: name, message, stack, code }
}
