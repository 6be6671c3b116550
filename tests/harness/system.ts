import { type Child, startChild } from "@gofermart/local-stack/child.ts"
import { Customer } from "@gofermart/local-stack/customer.ts"
import { buildSimulator } from "@gofermart/scoring-simulator/app.ts"
import { inject } from "vitest"
import { atEndOrBefore } from "./at-end.ts"
import { createDatabase, type TestDatabase } from "./database.ts"
import { newLogin } from "./numbers.ts"
import { openProcesses } from "./processes.ts"
import { type RedisServer, startRedis } from "@gofermart/local-stack/redis.ts"
import { TEST_SETTINGS } from "./settings.ts"
import { SimulatorControl } from "./simulator-control.ts"

export type Backend = "postgresql" | "redis"

export interface SystemOptions {
  backend: Backend
  workers?: number
  /** A scoring system of the test's own; without it there is a simulator. */
  scoringUrl?: string
  /**
   * The simulator is a process of its own, for a test that counts its calls: in the test's, uploads
   * hold it up, and calls that the workers spread come to it in bunches.
   */
  simulatorApart?: boolean
  env?: Record<string, string>
  /** What only the one or the other is told. */
  apiEnv?: Record<string, string>
  workerEnv?: Record<string, string>
  /** A database, or a Redis, that the test has made and interferes with; `close` ends it as well. */
  database?: TestDatabase
  redis?: RedisServer
}

export interface System {
  apiUrl: string
  operatorsUrl: string
  database: TestDatabase
  queueUrl: string
  redis: RedisServer | undefined
  simulator: SimulatorControl
  api: Child
  workers: Child[]
  /** Starts one more API instance, with settings of its own if need be. */
  addApi(settings?: Record<string, string>): Promise<Child>
  addWorker(settings?: Record<string, string>): Promise<Child>
  register(): Promise<Customer>
  /** Everything the processes have logged so far. */
  logs(): Promise<string>
  close(): Promise<void>
}

/** Starts the real processes on a database, a queue and a scoring system of the test's own. */
export async function startSystem(options: SystemOptions): Promise<System> {
  const database = options.database ?? (await createDatabase())
  const redis = options.redis ?? (options.backend === "redis" ? await startOwnRedis() : undefined)
  const queueUrl = redis?.url ?? database.queueUrl ?? database.url
  const simulator = await startSimulator(options.simulatorApart ?? false)
  const processes = await openProcesses({
    ...TEST_SETTINGS,
    DATABASE_URL: database.url,
    QUEUE_URL: queueUrl,
    SCORING_URL: options.scoringUrl ?? simulator.url,
    ...options.env,
  })
  const addApi = (settings?: Record<string, string>) =>
    processes.start("api", { ...options.apiEnv, ...settings })
  const workers: Child[] = []
  const addWorker = async (settings?: Record<string, string>) => {
    const worker = await processes.start("worker", { ...options.workerEnv, ...settings })
    workers.push(worker)
    return worker
  }
  const [api] = await Promise.all([
    addApi(),
    ...Array.from({ length: options.workers ?? 1 }, () => addWorker()),
  ])
  const apiUrl = api.details["url"] ?? ""
  return {
    apiUrl,
    operatorsUrl: api.details["operatorsUrl"] ?? "",
    database,
    queueUrl,
    redis,
    simulator: new SimulatorControl(simulator.url),
    api,
    workers,
    addApi,
    addWorker,
    register: () => Customer.register(apiUrl, newLogin()),
    logs: () => processes.logs(),
    close: atEndOrBefore(async () => {
      await database.expectNoneInTransaction()
      await processes.stop()
      await simulator.close()
      await redis?.close()
      await database.drop()
    }),
  }
}

async function startSimulator(isApart: boolean) {
  if (!isApart) {
    const app = buildSimulator({})
    return {
      url: await app.listen({ host: "127.0.0.1", port: 0 }),
      close: atEndOrBefore(() => app.close()),
    }
  }
  const child = await startChild("simulator", { SIMULATOR_ADDRESS: "127.0.0.1:0" }, "/dev/null")
  return {
    url: child.details["url"] ?? "",
    close: atEndOrBefore(async () => void (await child.stop())),
  }
}

/**
 * Starts a Redis of the test's own, on a data folder of the test's own if need be, and with further options of
 * `redis-server`.
 */
export async function startOwnRedis(
  dataFolder?: string,
  options: string[] = [],
): Promise<RedisServer> {
  const server = inject("redisServer")
  if ("missing" in server) throw new Error(server.missing)
  const redis = await startRedis(server.path, dataFolder, options)
  atEndOrBefore(() => redis.close())
  return redis
}
