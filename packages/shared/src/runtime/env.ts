import { Type, type Static, type TObject, type TProperties } from "typebox"
import { Value } from "typebox/value"

/** A configuration that cannot work; the message names every bad variable, and no value. */
export class ConfigError extends Error {
  override name = "ConfigError"
}

/**
 * Reads a service's settings from environment variables by one schema, whose descriptions say in
 * words what a variable must be. Throws a `ConfigError` that lists every bad variable at once and
 * never prints a value, since one may be a secret. An empty variable counts as absent.
 */
export function readEnv<Properties extends TProperties>(
  schema: TObject<Properties>,
  env: NodeJS.ProcessEnv,
): Static<TObject<Properties>> {
  const given = Object.entries(schema.properties)
    .filter(([name]) => (env[name] ?? "") !== "")
    .map(([name, property]) => [name, readText(property, env[name] ?? "")] as const)
  const value = Value.Default(schema, Object.fromEntries(given))
  if (Value.Check(schema, value)) return value as Static<TObject<Properties>>
  const bad = Object.entries(schema.properties).filter(
    ([name, property]) => !Value.Check(Type.Object({ [name]: property }), value),
  )
  const lines = bad.map(([name, property]) => {
    const { description = "a valid value" } = property as { description?: string }
    return `  ${name} must be ${description} (it is ${(env[name] ?? "") === "" ? "missing" : "not"})`
  })
  throw new ConfigError(`The configuration is not usable:\n${lines.join("\n")}`)
}

// The library's own conversion would make 1.5 a whole number.
function readText(property: unknown, text: string): string | number {
  const isInteger = (property as { type?: string }).type === "integer"
  return isInteger && /^-?[0-9]+$/.test(text) ? Number(text) : text
}

/** A whole number from `minimum` to `maximum`; the unit belongs at the end of the variable's name. */
export function wholeNumber(minimum: number, maximum: number, defaultValue: number) {
  return Type.Integer({
    minimum,
    maximum,
    default: defaultValue,
    description: `a whole number from ${minimum} to ${maximum}`,
  })
}

const MS_BY_UNIT: Record<string, number> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** The longest time a timer of Node's holds is 2^31 − 1 ms, almost 25 days. */
const DURATION_MAX_MS = 24 * 86_400_000

/**
 * A length of time with its unit, such as 500ms, 30s, 10m, 24h or 7d, from 1 ms to 24 days; read it
 * with `toMs`.
 */
export function duration(defaultValue: string) {
  const text = Type.String({
    pattern: "^[0-9]{1,9}(ms|s|m|h|d)$",
    default: defaultValue,
    description: "a length of time such as 500ms, 30s, 10m or 24h, of at most 24d",
  })
  return Type.Refine(text, (given) => toMs(given) >= 1 && toMs(given) <= DURATION_MAX_MS)
}

/** The milliseconds of a checked `duration`. */
export function toMs(text: string): number {
  const [, amount, unit = "ms"] = /^([0-9]+)([a-z]+)$/.exec(text) ?? []
  return Number(amount) * (MS_BY_UNIT[unit] ?? 1)
}

/** The database both services share; the published contract's name for it works too. */
export const databaseUrl = Type.String({
  pattern: "^postgres(ql)?://",
  description: "a connection string postgresql://user:password@host:port/database",
})

/** The queue's backend; without it the queue lives in the database. */
export const queueUrl = Type.String({
  pattern: "^(rediss?|postgres(ql)?)://",
  description: "a connection string redis://… or postgresql://…",
})

export function isDatabaseUrl(text: string): boolean {
  return Value.Check(databaseUrl, text)
}

export function isQueueUrl(text: string): boolean {
  return Value.Check(queueUrl, text)
}

export const logLevel = Type.Enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"], {
  default: "info",
  description: "fatal, error, warn, info, debug, trace or silent",
})

/** The names of the published Gophermart contract, and ours for the same settings. */
export function withContractNames(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return {
    ...env,
    DATABASE_URL: env["DATABASE_URL"] || env["DATABASE_URI"],
    SCORING_URL: env["SCORING_URL"] || env["ACCRUAL_SYSTEM_ADDRESS"],
  }
}

export interface Address {
  host: string
  port: number
}

const ADDRESS = /^(?:https?:\/\/)?(\[[0-9a-fA-F:.]*:[0-9a-fA-F:.]*\]|[^:/\s[\]]*):(\d{1,5})\/?$/
const PORT_MAX = 65_535

/** An address to listen on; read it with `parseAddress`. */
export function listenAddress(defaultValue: string) {
  const text = Type.String({
    default: defaultValue,
    description: "an address host:port, or :port for every interface",
  })
  return Type.Refine(text, (given) => parseAddress(given) !== undefined)
}

/** Reads `host:port`, `:port` (every interface) or `[v6]:port`; undefined when it is none. */
export function parseAddress(text: string): Address | undefined {
  const match = ADDRESS.exec(text)
  if (match === null) return undefined
  const [, host = "", port = ""] = match
  if (Number(port) > PORT_MAX) return undefined
  return { host: host === "" ? "::" : host.replace(/^\[|\]$/g, ""), port: Number(port) }
}

/** Reads a configuration, or says what is wrong with it and ends the process with code 78. */
export function readConfigOrExit<Config>(read: () => Config): Config {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    // EX_CONFIG of sysexits.h.
    process.exit(78)
  }
}
