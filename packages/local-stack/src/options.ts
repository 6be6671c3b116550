import { parseArgs } from "node:util"
import {
  isDatabaseUrl,
  isQueueUrl,
  parseAddress,
  withContractNames,
} from "@gofermart/shared/runtime/env.ts"

export const HELP = `Starts Gofermart on this machine and stops it on Ctrl-C.

  pnpm start [options]

  -a, --address HOST:PORT   where the API listens             (RUN_ADDRESS; 127.0.0.1:8080)
  -d, --database URL        a PostgreSQL to use               (DATABASE_URL, DATABASE_URI)
  -q, --queue URL           a Redis for the queue             (QUEUE_URL; the database)
  -r, --scoring URL         the scoring system                (SCORING_URL, ACCRUAL_SYSTEM_ADDRESS)
  -w, --workers N           accrual workers to start          (WORKERS; 1)
  -h, --help                this text

What is not given is embedded: a PostgreSQL with its data under .data/ (or GOFERMART_DATA), and a
simulator of the scoring system. A flag goes before its variable. Other settings of the services (see the README)
are taken from the environment.
`

const WORKERS_MAX = 64

export interface StartOptions {
  address: string
  databaseUrl: string | undefined
  queueUrl: string | undefined
  scoringUrl: string | undefined
  workers: number
}

/** Reads the command line; undefined when it asks for help. Throws when it is not usable. */
export function readOptions(args: string[], env: NodeJS.ProcessEnv): StartOptions | undefined {
  const { values } = parseArgs({
    args,
    options: {
      address: { type: "string", short: "a" },
      database: { type: "string", short: "d" },
      queue: { type: "string", short: "q" },
      scoring: { type: "string", short: "r" },
      workers: { type: "string", short: "w" },
      help: { type: "boolean", short: "h" },
    },
  })
  if (values.help === true) return undefined
  const named = withContractNames(env)
  const workersText = given(values.workers) ?? given(env["WORKERS"]) ?? "1"
  const options = {
    address: given(values.address) ?? given(env["RUN_ADDRESS"]) ?? "127.0.0.1:8080",
    databaseUrl: given(values.database) ?? given(named["DATABASE_URL"]),
    queueUrl: given(values.queue) ?? given(env["QUEUE_URL"]),
    scoringUrl: given(values.scoring) ?? given(named["SCORING_URL"]),
    workers: /^[0-9]+$/.test(workersText) ? Number(workersText) : Number.NaN,
  }
  const wrong = whatIsWrong(options)
  if (wrong.length > 0) throw new RangeError(wrong.join("\n"))
  return options
}

/** In sentences, without the values: a connection string holds a password. */
function whatIsWrong({ address, databaseUrl, queueUrl, workers }: StartOptions): string[] {
  const wrong: string[] = []
  if (parseAddress(address) === undefined) {
    wrong.push("The address must be HOST:PORT, or :PORT for every interface.")
  }
  if (databaseUrl !== undefined && !isDatabaseUrl(databaseUrl)) {
    wrong.push("The database must be a URL postgresql://user:password@host:port/name.")
  }
  if (queueUrl !== undefined && !isQueueUrl(queueUrl)) {
    wrong.push("The queue must be a URL redis://… or postgresql://….")
  }
  if (!(workers >= 1 && workers <= WORKERS_MAX)) {
    wrong.push(`The number of workers must be from 1 to ${WORKERS_MAX}.`)
  }
  return wrong
}

function given(value: string | undefined): string | undefined {
  return value === "" ? undefined : value
}
