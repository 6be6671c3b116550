import { parseArgs } from "node:util"
import {
  ConfigError,
  logLevel,
  parseAddress,
  readEnv,
  type Address,
} from "@gofermart/shared/runtime/env.ts"
import { Type, type TSchema } from "typebox"
import { Behaviour } from "./behaviour.ts"

const { properties: switches } = Behaviour

/** A boolean as the environment holds it. */
const onOrOff = Type.Enum(["true", "false"], {
  default: "false",
  description: "true or false",
})

/** Every setting by the name of its environment variable; `flagName` gives its flag. */
export const Settings = Type.Object({
  SIMULATOR_ADDRESS: Type.String({ default: "127.0.0.1:8091", description: "host:port" }),
  SIMULATOR_STATE: Type.Optional(Type.String({ description: "the path of a file" })),
  LOG_LEVEL: logLevel,
  SIMULATOR_DELAY_MS: switches.delayMs,
  SIMULATOR_PENDING_ANSWERS: switches.pendingAnswers,
  SIMULATOR_REQUESTS_PER_MINUTE: switches.requestsPerMinute,
  SIMULATOR_WINDOW_MS: switches.windowMs,
  SIMULATOR_ERROR_RATE: Type.String({
    pattern: "^(0(\\.[0-9]+)?|1(\\.0+)?)$",
    default: "0",
    description: "a number from 0 to 1",
  }),
  SIMULATOR_AUTO_REGISTER: onOrOff,
  SIMULATOR_UNAVAILABLE: onOrOff,
})
type SettingName = keyof typeof Settings.properties

const PURPOSES: Record<SettingName, string> = {
  SIMULATOR_ADDRESS: "where to serve; port 0 takes a free one",
  SIMULATOR_STATE: "keep goods and orders in this file; without it they end with the process",
  LOG_LEVEL: "what to log",
  SIMULATOR_DELAY_MS: "hold back every answer about an order for this long",
  SIMULATOR_PENDING_ANSWERS: "answers of an order before its verdict: REGISTERED, then PROCESSING",
  SIMULATOR_REQUESTS_PER_MINUTE: "refuse more questions than this with 429; 0 sets no limit",
  SIMULATOR_WINDOW_MS: "how long the minute of that limit is",
  SIMULATOR_ERROR_RATE: "answer this fraction of questions with 500",
  SIMULATOR_AUTO_REGISTER: "know every order as of the first question about it",
  SIMULATOR_UNAVAILABLE: "answer every question with 500",
}
const NAMES = Object.keys(PURPOSES) as SettingName[]

export interface Config {
  address: Address
  /** Absent when nothing is to be kept. */
  statePath?: string
  logLevel: string
  behaviour: Behaviour
}

/**
 * Reads the settings from command-line flags, and from environment variables where no flag is
 * given; "help" when that is all the caller wants. Throws a `ConfigError` for what cannot work.
 */
export function readConfig(args: string[], env: NodeJS.ProcessEnv): Config | "help" {
  const flags = readFlags(args)
  if (flags["help"] === true) return "help"
  const given = NAMES.flatMap((name) => {
    const flag = flags[flagName(name)]
    return flag === undefined ? [] : [[name, String(flag)]]
  })
  const settings = readEnv(Settings, { ...env, ...Object.fromEntries(given) })
  const address = parseAddress(settings.SIMULATOR_ADDRESS)
  if (address === undefined) throw new ConfigError("SIMULATOR_ADDRESS must be host:port")
  return {
    address,
    ...(settings.SIMULATOR_STATE === undefined ? {} : { statePath: settings.SIMULATOR_STATE }),
    logLevel: settings.LOG_LEVEL,
    behaviour: {
      delayMs: settings.SIMULATOR_DELAY_MS,
      pendingAnswers: settings.SIMULATOR_PENDING_ANSWERS,
      requestsPerMinute: settings.SIMULATOR_REQUESTS_PER_MINUTE,
      windowMs: settings.SIMULATOR_WINDOW_MS,
      errorRate: Number(settings.SIMULATOR_ERROR_RATE),
      autoRegister: settings.SIMULATOR_AUTO_REGISTER === "true",
      unavailable: settings.SIMULATOR_UNAVAILABLE === "true",
    },
  }
}

/** The text for `--help`: every flag, its variable, what it may be, and its default. */
export function helpText(): string {
  const settings = NAMES.map((name) => {
    const schema: TSchema = Settings.properties[name]
    const { description = "any text", default: value } = schema as SettingOptions
    const values = value === undefined ? description : `${description}; default ${value}`
    return `  --${flagName(name)}, or ${name}\n      ${PURPOSES[name]}\n      (${values})`
  })
  return [
    "A stand-in for the scoring system.",
    "",
    "Settings, as a flag or as an environment variable; a flag counts for more:",
    "",
    ...settings,
    "",
    "All but the first three can be changed while it runs: PUT /api/behaviour",
    "",
  ].join("\n")
}

interface SettingOptions {
  description?: string
  default?: string | number
}

/** The flag for SIMULATOR_DELAY_MS is --delay-ms. */
function flagName(name: SettingName): string {
  return name.replace("SIMULATOR_", "").toLowerCase().replaceAll("_", "-")
}

function readFlags(args: string[]): Record<string, string | boolean | undefined> {
  const options = Object.fromEntries(
    NAMES.map((name) => {
      const type = Settings.properties[name] === onOrOff ? "boolean" : "string"
      return [flagName(name), { type }] as const
    }),
  )
  try {
    return parseArgs({
      args,
      options: { ...options, help: { type: "boolean" } },
      allowNegative: true,
    }).values
  } catch (error) {
    throw new ConfigError(`${(error as Error).message}\nSee --help.`)
  }
}
