import { join } from "node:path"
import { build } from "@gofermart/bundle/build.ts"
import { migrate } from "@gofermart/shared/migrate/migrate.ts"
import { isGiven, withSettings } from "@gofermart/shared/runtime/env.ts"
import { type Child, startChild } from "./child.ts"
import { dataFolder, keepAuthKeys, logsFolder } from "./data-folder.ts"
import { OPERATORS_PORT, type StartOptions } from "./options.ts"
import { atUsualPort } from "./ports.ts"
import { startPostgres } from "./postgres.ts"
import { settingsOf } from "./settings-of.ts"

const DATABASE = "gofermart"
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
 * Starts everything: the database and the simulator at once, then the API and the workers. Each part's end
 * is handed to `onClose` as soon as there is one, so that a start that fails half-way can be undone.
 */
export async function startStack(
  options: StartOptions,
  env: NodeJS.ProcessEnv,
  onClose: (close: Close) => void,
  report: (step: string) => void,
): Promise<Stack> {
  report("building")
  await build()
  const children: Child[] = []
  const start = async (
    entry: Parameters<typeof startChild>[0],
    settings: Record<string, string | undefined>,
    name: string = entry,
  ) => {
    report(`starting ${name}`)
    const environment = withSettings(settingsOf(entry, env), settings)
    const child = await startChild(entry, environment, join(logsFolder, `${name}.log`))
    children.push(child)
    onClose(() => child.stop())
    return child
  }

  const prepareDatabase = async () => {
    const databaseUrl = options.databaseUrl ?? (await embedDatabase(onClose, report))
    const queueUrl = options.queueUrl ?? databaseUrl
    report("migrating the database")
    await migrate(databaseUrl, queueUrl, report)
    return { databaseUrl, queueUrl }
  }
  const findScoring = async () =>
    options.scoringUrl ?? (await startSimulator(env, start)).details["url"]
  const [{ databaseUrl, queueUrl }, scoringUrl] = await allStarted([
    prepareDatabase(),
    findScoring(),
  ])
  const shared = {
    DATABASE_URL: databaseUrl,
    DATABASE_PASSWORD: undefined,
    QUEUE_URL: queueUrl,
    QUEUE_PREFIX: undefined,
    SCORING_URL: scoringUrl,
  }
  const { operatorsAddress } = options
  const apiSettings = {
    ...shared,
    RUN_ADDRESS: options.address,
    ...(isGiven(env, "AUTH_KEYS") ? {} : { AUTH_KEYS: await keepAuthKeys() }),
  }
  const startApi = (OPERATORS_ADDRESS: string) =>
    start("api", { ...apiSettings, OPERATORS_ADDRESS })
  const startWorker = (i: number) => (OPERATORS_ADDRESS: string) =>
    start("worker", { ...shared, OPERATORS_ADDRESS }, `worker-${i + 1}`)
  const [api, workers] = await allStarted([
    operatorsAddress === undefined
      ? atUsualPort(OPERATORS_PORT, startApi)
      : startApi(operatorsAddress),
    allStarted(
      Array.from({ length: options.workers }, (_, i) =>
        operatorsAddress === undefined
          ? atUsualPort(WORKER_PORT + i, startWorker(i))
          : startWorker(i)(atAnyPort(operatorsAddress)),
      ),
    ),
  ])
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

/** As `Promise.all`, but a failure is thrown when the others have started too, and can be undone. */
async function allStarted<const Starts extends readonly Promise<unknown>[]>(
  starts: Starts,
): Promise<{ -readonly [Place in keyof Starts]: Awaited<Starts[Place]> }> {
  await Promise.allSettled(starts)
  return Promise.all(starts)
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

function startSimulator(
  env: NodeJS.ProcessEnv,
  start: (entry: "simulator", settings: Record<string, string | undefined>) => Promise<Child>,
): Promise<Child> {
  const state = { SIMULATOR_STATE: join(dataFolder, "simulator.jsonl") }
  const kept = isGiven(env, "SIMULATOR_STATE") ? {} : state
  return isGiven(env, "SIMULATOR_ADDRESS")
    ? start("simulator", kept)
    : atUsualPort(SIMULATOR_PORT, (SIMULATOR_ADDRESS) =>
        start("simulator", { ...kept, SIMULATOR_ADDRESS }),
      )
}

/** The same interface: only one process can have the port. */
function atAnyPort(address: string): string {
  return address.replace(/\d+\/?$/, "0")
}
