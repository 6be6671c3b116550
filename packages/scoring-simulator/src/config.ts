import { parseArgs } from "node:util"
import { exitSettings } from "@gofermart/shared/runtime/config-exit.ts"
import {
  type Address,
  ConfigError,
  listenAddress,
  readAddress,
  readEnv,
  textSetting,
} from "@gofermart/shared/runtime/env.ts"
import { logLevel } from "@gofermart/shared/runtime/service-settings.ts"
import { defineSettings, type Setting, setting } from "@gofermart/shared/runtime/setting.ts"
import { helpLines, helpOf } from "@gofermart/shared/runtime/settings-help.ts"
import { IsEnum, Type } from "typebox"
import { Behaviour } from "./behaviour.ts"

const { properties: switches } = Behaviour

/** A boolean as the environment holds it. */
const onOrOff = Type.Enum(["true", "false"], {
  default: "false",
  description: "true or false",
})

/** By the names of their environment variables; `flagName` gives their flags. */
const FLAGS = {
  SIMULATOR_ADDRESS: setting(listenAddress("127.0.0.1:8091"), {
    purpose: "where to serve; port 0 takes a free one",
  }),
  SIMULATOR_STATE: setting(Type.Optional(Type.String({ description: "the path of a file" })), {
    purpose: "keep goods and orders in this file",
    fallback: "they end with the process",
  }),
  LOG_LEVEL: logLevel,
  SIMULATOR_DELAY_MS: setting(switches.delayMs, {
    purpose: "hold back every answer about an order for this long",
    unit: "milliseconds",
  }),
  SIMULATOR_PENDING_ANSWERS: setting(switches.pendingAnswers, {
    purpose: "answers of an order before its verdict: REGISTERED, then PROCESSING",
    unit: "answers",
  }),
  SIMULATOR_REQUESTS_PER_MINUTE: setting(switches.requestsPerMinute, {
    purpose: "refuse more requests than this with 429; 0 sets no limit",
    unit: "requests",
  }),
  SIMULATOR_WINDOW_MS: setting(switches.windowMs, {
    purpose: "how long the minute of that limit is",
    unit: "milliseconds",
  }),
  SIMULATOR_ERROR_RATE: setting(
    textSetting({ default: "0", description: "a number from 0 to 1" }, (given) =>
      /^(0(\.[0-9]+)?|1(\.0+)?)$/.test(given) ? undefined : "it is not",
    ),
    { purpose: "answer this fraction of requests with 500" },
  ),
  SIMULATOR_AUTO_REGISTER: setting(onOrOff, {
    purpose: "know every order as of the first request about it",
  }),
  SIMULATOR_UNAVAILABLE: setting(onOrOff, { purpose: "answer every request with 500" }),
}

/** Every setting by the name of its environment variable. */
export const Settings = defineSettings({ ...FLAGS, ...exitSettings })

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
  const given = Object.keys(FLAGS).flatMap((name) => {
    const flag = flags[flagName(name)]
    return flag === undefined ? [] : [[name, String(flag)]]
  })
  const settings = readEnv(Settings, { ...env, ...Object.fromEntries(given) })
  return {
    address: readAddress(settings.SIMULATOR_ADDRESS),
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
  return [
    "A scoring system for development and tests.",
    "",
    "Settings, as a flag or as an environment variable; a flag counts for more:",
    "",
    ...Object.entries<Setting>(FLAGS).map(([name, kind]) =>
      helpLines(`--${flagName(name)}, or ${name}`, kind),
    ),
    "",
    "All but the first three can be changed while it runs: PUT /api/behaviour",
    "",
    "As an environment variable only:",
    "",
    helpOf(exitSettings),
    "",
    "--check only tells whether the settings are usable.",
    "",
  ].join("\n")
}

/** The flag for SIMULATOR_DELAY_MS is --delay-ms. */
function flagName(name: string): string {
  return name.replace("SIMULATOR_", "").toLowerCase().replaceAll("_", "-")
}

function readFlags(args: string[]): Record<string, string | boolean | undefined> {
  const options = Object.fromEntries(
    Object.entries<Setting>(FLAGS).map(([name, kind]) => {
      const type = IsEnum(kind) && kind.enum.includes("true") ? "boolean" : "string"
      return [flagName(name), { type }] as const
    }),
  )
  try {
    return parseArgs({
      args,
      options: { ...options, help: { type: "boolean" }, check: { type: "boolean" } },
      allowNegative: true,
    }).values
  } catch (error) {
    throw new ConfigError(`${(error as Error).message}\nSee --help.`)
  }
}
