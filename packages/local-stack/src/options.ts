import { parseArgs } from "node:util"
import { Schema as ApiSchema } from "@gofermart/api/config.ts"
import { scoringSettings } from "@gofermart/scoring-client/settings.ts"
import {
  connectionRules,
  connectionSettings,
  readConnections,
  readQueueUrl,
} from "@gofermart/shared/queue/connection-settings.ts"
import {
  ConfigError,
  isGiven,
  listenAddress,
  namesOf,
  readEnv,
  wholeNumber,
  withSettings,
} from "@gofermart/shared/runtime/env.ts"
import { defineSettings, optional, setting } from "@gofermart/shared/runtime/setting.ts"
import { helpLines, helpOf } from "@gofermart/shared/runtime/settings-help.ts"
import { dataFolderSetting } from "./data-folder.ts"

const WORKERS_MAX = 64
/** Of the API's listener for operators, when it is free. */
export const OPERATORS_PORT = 8090

/** Every setting of the launcher's own by the name of its environment variable. */
export const Schema = defineSettings({
  RUN_ADDRESS: ApiSchema.properties.RUN_ADDRESS,
  ...connectionSettings,
  DATABASE_URL: optional(connectionSettings.DATABASE_URL, "an embedded PostgreSQL"),
  SCORING_URL: optional(scoringSettings.SCORING_URL, "a simulator of it"),
  WORKERS: setting(wholeNumber(1, WORKERS_MAX, 1), {
    purpose: "how many workers to start",
    unit: "processes",
  }),
  OPERATORS_ADDRESS: setting(listenAddress(`127.0.0.1:${OPERATORS_PORT}`), {
    purpose: "as the API's; a worker takes another port of the same interface",
  }),
})

/** Everything that the launcher reads from its environment. */
export const allSettings = { ...Schema.properties, GOFERMART_DATA: dataFolderSetting }

/** What of its settings can be given as a flag too, which goes before the variable. */
const FLAGS = {
  address: { short: "a", value: "HOST:PORT", setting: "RUN_ADDRESS" },
  database: { short: "d", value: "URL", setting: "DATABASE_URL" },
  queue: { short: "q", value: "URL", setting: "QUEUE_URL" },
  scoring: { short: "r", value: "URL", setting: "SCORING_URL" },
  workers: { short: "w", value: "N", setting: "WORKERS" },
} as const

/** The text for `--help`. */
export const HELP = helpText()

function helpText(): string {
  const flags = Object.entries(FLAGS).map(([flag, { short, value, setting: name }]) => {
    const label = `-${short}, --${flag} ${value}, or ${namesOf(name).join(" or ")}`
    return helpLines(label, Schema.properties[name])
  })
  const { DATABASE_PASSWORD, QUEUE_PREFIX, OPERATORS_ADDRESS, GOFERMART_DATA } = allSettings
  return `Starts Gofermart on this machine and stops it on Ctrl-C.

  pnpm start [options]

Options, each also as an environment variable; an option counts for more:

${flags.join("\n")}
  -h, --help
      this text

As environment variables only:

${helpOf({ DATABASE_PASSWORD, QUEUE_PREFIX, OPERATORS_ADDRESS, GOFERMART_DATA })}

Other settings of the services, which docs/SETTINGS.md lists, are handed to them.
`
}

export interface StartOptions {
  address: string
  databaseUrl: string | undefined
  queueUrl: string | undefined
  scoringUrl: string | undefined
  workers: number
  /** Undefined when it is not given: then it is at a usual port, or at any. */
  operatorsAddress: string | undefined
}

/**
 * Reads the command line, and the environment where it says nothing; undefined when it asks for
 * help. Throws a `ConfigError` when it is not usable.
 */
export function readOptions(args: string[], env: NodeJS.ProcessEnv): StartOptions | undefined {
  const flags = readFlags(args)
  if (flags.help === true) return undefined
  const given = Object.entries(FLAGS).flatMap(([flag, { setting: name }]) => {
    const text = flags[flag as keyof typeof FLAGS]
    return text ? [[name, text] as const] : []
  })
  const read = readEnv(Schema, withSettings(env, Object.fromEntries(given)), connectionRules)
  const { DATABASE_URL, ...others } = read
  return {
    address: read.RUN_ADDRESS,
    databaseUrl: DATABASE_URL && readConnections({ DATABASE_URL, ...others }).databaseUrl,
    queueUrl: readQueueUrl(read),
    scoringUrl: read.SCORING_URL,
    workers: read.WORKERS,
    operatorsAddress: isGiven(env, "OPERATORS_ADDRESS") ? read.OPERATORS_ADDRESS : undefined,
  }
}

function readFlags(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        address: { type: "string", short: FLAGS.address.short },
        database: { type: "string", short: FLAGS.database.short },
        queue: { type: "string", short: FLAGS.queue.short },
        scoring: { type: "string", short: FLAGS.scoring.short },
        workers: { type: "string", short: FLAGS.workers.short },
        help: { type: "boolean", short: "h" },
      },
    }).values
  } catch (error) {
    throw new ConfigError(`${whatIsWrongInFlags(error)}\nSee --help.`)
  }
}

/** An argument without its flag may be a connection string: it is not repeated. */
function whatIsWrongInFlags(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code === "ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL"
    ? "An argument is not a flag, nor the value of one."
    : message
}
