import { join } from "node:path"
import { migrate } from "@gofermart/shared/db/migrate.ts"
import { type Child, startChild } from "./child.ts"
import { dataFolder, keepAuthKeys, logsFolder } from "./data-folder.ts"
import type { StartOptions } from "./options.ts"
import { freePort, isFree } from "./ports.ts"
import { startPostgres } from "./postgres.ts"

const DATABASE = "gofermart"
const OPERATORS_PORT = 8090
/** Of the first worker; each further one has the next. */
const WORKER_PORT = 8092
const SIMULATOR_PORT = 8091

export interface Stack {
  apiUrl: string
  operatorsUrl: string
  workerUrls: string[]
  scoringUrl: string
  databaseUrl: string
  queueUrl: string
  children: Child[]
}

type Close = () => Promise<unknown>

/**
 * Starts everything in order: database, migrations, simulator, API, workers. Each part's end is
 * handed to `onClose` as soon as there is one, so that a start that fails half-way can be undone.
 */
export async function startStack(
  options: StartOptions,
  env: NodeJS.ProcessEnv,
  onClose: (close: Close) => void,
  report: (step: string) => void,
): Promise<Stack> {
  const children: Child[] = []
  const start = async (
    entry: Parameters<typeof startChild>[0],
    settings: Record<string, string | undefined>,
    name: string = entry,
  ) => {
    report(`starting ${name}`)
    const environment = { ...settingsOf(entry, env), ...settings }
    const child = await startChild(entry, environment, join(logsFolder, `${name}.log`))
    children.push(child)
    onClose(() => child.stop())
    return child
  }

  const databaseUrl = options.databaseUrl ?? (await embedDatabase(onClose, report))
  report("migrating the database")
  await migrate(databaseUrl)

  const queueUrl = options.queueUrl ?? databaseUrl
  const scoringUrl =
    options.scoringUrl ?? (await start("simulator", await simulatorEnv())).details["url"]
  const shared = {
    DATABASE_URL: databaseUrl,
    QUEUE_URL: queueUrl,
    SCORING_URL: scoringUrl,
  }
  const api = await start("api", {
    ...shared,
    RUN_ADDRESS: options.address,
    AUTH_KEYS: env["AUTH_KEYS"] || (await keepAuthKeys()),
    OPERATORS_ADDRESS: env["OPERATORS_ADDRESS"] || (await loopback(OPERATORS_PORT)),
  })
  const workers: Child[] = []
  for (let i = 1; i <= options.workers; i++) {
    const address = await loopback(WORKER_PORT + i - 1)
    const settings = { ...shared, OPERATORS_ADDRESS: address }
    workers.push(await start("worker", settings, `worker-${i}`))
  }
  return {
    apiUrl: api.details["url"] ?? "",
    operatorsUrl: api.details["operatorsUrl"] ?? "",
    workerUrls: workers.map(({ details }) => details["operatorsUrl"] ?? ""),
    scoringUrl: scoringUrl ?? "",
    databaseUrl,
    queueUrl,
    children,
  }
}

/** Whose variables are whose, by the beginning of their names: a secret meant for one is no other's. */
const SETTINGS = {
  api: /^(AUTH_|BOARD_|DATABASE_|FLEET_|LOG_|LOGIN_|OPERATORS_|OTEL_|PASSWORD_|REGISTRATIONS_|REQUEUE_|SHUTDOWN_|THROTTLE_|TOKEN_|TRUSTED_|UNFINISHED_|WITHDRAWAL_)/,
  worker:
    /^(DATABASE_|LEDGER_|LIVENESS_|LOG_|OPERATORS_LOGIN|OPERATORS_PASSWORD|OTEL_|REQUEUE_|SCORING_|SHUTDOWN_|WORKER_)/,
  simulator: /^(LOG_|SIMULATOR_)/,
}
/** What Node itself looks at. */
const RUNTIME_SETTINGS = /^(NODE_|SSL_|TZ$)/

function settingsOf(entry: keyof typeof SETTINGS, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const names = Object.keys(env).filter(
    (name) => SETTINGS[entry].test(name) || RUNTIME_SETTINGS.test(name),
  )
  return Object.fromEntries(names.map((name) => [name, env[name]]))
}

async function embedDatabase(
  onClose: (close: Close) => void,
  report: (step: string) => void,
): Promise<string> {
  report("starting PostgreSQL")
  const postgres = await startPostgres(join(dataFolder, "postgres"))
  onClose(() => postgres.stop())
  await postgres.createDatabase(DATABASE)
  return postgres.url(DATABASE)
}

async function simulatorEnv() {
  return {
    SIMULATOR_ADDRESS: await loopback(SIMULATOR_PORT),
    SIMULATOR_STATE: join(dataFolder, "simulator.jsonl"),
  }
}

/** Another program on a usual port must not keep the stack from starting. */
async function loopback(usualPort: number): Promise<string> {
  const port = (await isFree(usualPort)) ? usualPort : await freePort()
  return `127.0.0.1:${port}`
}
