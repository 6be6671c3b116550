import { Type } from "typebox"
import { duration, wholeNumber } from "./env.ts"
import { setting } from "./setting.ts"

export const logLevel = setting(
  Type.Enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"], {
    default: "info",
    description: "fatal, error, warn, info, debug, trace or silent",
  }),
  { purpose: "the least severe messages that are logged" },
)

/** The size of a process's pool of connections to the database. */
export function databaseConnectionsMax(defaultValue: number) {
  return setting(wholeNumber(1, 1_000, defaultValue), {
    purpose: "the most connections of this process to the database",
    unit: "connections",
  })
}

export const shutdownGrace = setting(duration("20s"), {
  purpose: "how long a process that is asked to end may take; then it exits with 1",
})

/** The API, the worker and the operators' commands are to agree on it. */
export const requeueLeaseMin = setting(duration("30s"), {
  purpose:
    "how long the job of a new order is taken to be in the queue; the same for all processes",
})
