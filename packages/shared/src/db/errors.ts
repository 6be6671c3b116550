/**
 * What a failed database call means for its caller.
 *
 *   unavailable      nothing was done: no connection, no room, or no time
 *   connection_lost  the connection broke under way: whether it was done is unknown
 *   conflict         serialization failure, deadlock, stale statement: nothing was done, try again
 *   locked           somebody held a lock for longer than `lock_timeout`
 *   data             this data cannot be written, now or later
 *   defect           anything else: our mistake
 */
export type ErrorClass =
  | "unavailable"
  | "connection_lost"
  | "conflict"
  | "locked"
  | "data"
  | "defect"

// SQLSTATE codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
const CLASS_BY_SQLSTATE: Record<string, ErrorClass> = {
  "25006": "unavailable", // read-only: a standby
  "26000": "conflict", // prepared on another connection of a pooler's
  "25P03": "connection_lost", // idle in a transaction for too long
  "3F000": "unavailable", // no such schema: the migration has not run yet
  "40001": "conflict",
  "40P01": "conflict",
  "42883": "unavailable", // no such function …
  "42P01": "unavailable", // … or table: the migration has not run yet
  "55P03": "locked",
  "57014": "unavailable", // statement timeout
  "57P01": "connection_lost",
  "57P02": "connection_lost",
  "57P03": "unavailable", // starting up or shutting down
  "57P04": "connection_lost",
  "57P05": "connection_lost",
}
const CLASS_BY_SQLSTATE_CLASS: Record<string, ErrorClass> = {
  "08": "connection_lost",
  "22": "data",
  "23": "data",
  "53": "unavailable", // out of disk, memory or connections
  "58": "unavailable", // an error of the server's system
}
// What Prisma's adapter makes of errors without a SQLSTATE.
const CLASS_BY_KIND: Record<string, ErrorClass> = {
  ConnectionClosed: "connection_lost",
  SocketTimeout: "connection_lost",
  DatabaseNotReachable: "unavailable",
  TlsConnectionError: "unavailable",
  TooManyConnections: "unavailable",
}
// node-postgres gives most of these no code.
const CLASS_BY_MESSAGE: [RegExp, ErrorClass][] = [
  // A migration changed what a prepared statement gives; the connection is made anew.
  [/cached plan must not change result type/, "conflict"],
  [/timeout exceeded when trying to connect/, "unavailable"],
  [/Connection terminated due to connection timeout/, "unavailable"],
  [/Connection terminated|Query read timeout|ECONNRESET|EPIPE|not queryable/, "connection_lost"],
  [/ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH/, "unavailable"],
]

interface DriverCause {
  originalCode?: string
  originalMessage?: string
  kind?: string
}

export function classifyError(error: unknown): ErrorClass {
  const cause = driverCause(error)
  const state = cause?.originalCode ?? ""
  const fault =
    CLASS_BY_SQLSTATE[state] ??
    CLASS_BY_SQLSTATE_CLASS[state.slice(0, 2)] ??
    CLASS_BY_KIND[cause?.kind ?? ""]
  if (fault !== undefined) return fault
  const message = `${cause?.originalMessage ?? ""} ${error instanceof Error ? error.message : ""}`
  return CLASS_BY_MESSAGE.find(([pattern]) => pattern.test(message))?.[1] ?? "defect"
}

/** Whether a unique constraint refused the row. */
export function isDuplicate(error: unknown): boolean {
  return driverCause(error)?.originalCode === "23505"
}

/** Whether a foreign key refused the row: what it refers to is not there, or no longer. */
export function isReferenceMissing(error: unknown): boolean {
  return driverCause(error)?.originalCode === "23503"
}

/** Whether the server cancelled the statement because it took too long. */
export function isStatementTimeout(error: unknown): boolean {
  return driverCause(error)?.originalCode === "57014"
}

/** Whether the server could not read or write something of its own, or lacked the memory for it. */
export function isServerFault(error: unknown): boolean {
  return /^(58|53200$)/.test(driverCause(error)?.originalCode ?? "")
}

/** Prisma wraps what the driver reports, once or twice; BullMQ hands it on as it is. */
function driverCause(error: unknown): DriverCause | undefined {
  const { meta, cause, code } = (error ?? {}) as {
    meta?: { driverAdapterError?: { cause?: DriverCause } }
    cause?: DriverCause
    code?: unknown
  }
  // BullMQ's own refusals have a number there.
  const ownCause = typeof code === "string" ? { originalCode: code } : undefined
  return meta?.driverAdapterError?.cause ?? cause ?? ownCause
}
