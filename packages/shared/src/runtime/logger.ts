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

/** Libraries hang what they were doing on their errors, such as a Redis command with a password. */
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) }
  const { name, message, stack } = error
  const { code } = error as { code?: string | number }
  return { type: name, message, stack, code }
}
