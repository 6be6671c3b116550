import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Child, startChild } from "@gofermart/local-stack/child.ts"
import { Customer } from "@gofermart/local-stack/customer.ts"
import { buildSimulator } from "@gofermart/scoring-simulator/app.ts"
import { inject } from "vitest"
import { createDatabase, type TestDatabase } from "./database.ts"
import { newLogin } from "./numbers.ts"
import { type RedisServer, startRedis } from "@gofermart/local-stack/redis.ts"
import { SimulatorControl } from "./simulator-control.ts"

export type Backend = "postgresql" | "redis"

export interface SystemOptions {
  backend: Backend
  workers?: number
  /** A scoring system of the test's own; without it there is a simulator. */
  scoringUrl?: string
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

/** Any 32 bytes in base64url. */
export const TEST_KEY = "dGhpcy1pcy1hLXRlc3Qta2V5LW9mLTMyLWJ5dGVzISE"

/** Waits that a test would otherwise sit through. */
const FAST = {
  AUTH_KEYS: `test:${TEST_KEY}`,
  REQUEUE_INTERVAL: "500ms",
  REQUEUE_LEASE_MIN: "2s",
  REQUEUE_LEASE_MAX: "5s",
  SCORING_TIMEOUT: "5s",
}

/** Starts the real processes on a database, a queue and a scoring system of the test's own. */
export async function startSystem(options: SystemOptions): Promise<System> {
  const logFolder = await mkdtemp(join(tmpdir(), "gofermart-logs-"))
  const database = options.database ?? (await createDatabase())
  const redis = options.redis ?? (options.backend === "redis" ? await startOwnRedis() : undefined)
  const queueUrl = redis?.url ?? database.url
  const simulatorApp = buildSimulator({})
  const simulatorUrl = await simulatorApp.listen({ host: "127.0.0.1", port: 0 })
  const env = {
    ...FAST,
    DATABASE_URL: database.url,
    QUEUE_URL: queueUrl,
    SCORING_URL: options.scoringUrl ?? simulatorUrl,
    RUN_ADDRESS: "127.0.0.1:0",
    OPERATORS_ADDRESS: "127.0.0.1:0",
    ...options.env,
  }
  const logFiles: string[] = []
  const start = (entry: "api" | "worker", settings: Record<string, string> = {}) => {
    const logFile = join(logFolder, `${entry}-${logFiles.length}.log`)
    logFiles.push(logFile)
    const own = entry === "api" ? options.apiEnv : options.workerEnv
    return startChild(entry, { ...env, ...own, ...settings }, logFile)
  }

  const api = await start("api")
  const apis = [api]
  const addApi = async (settings?: Record<string, string>) => {
    const another = await start("api", settings)
    apis.push(another)
    return another
  }
  const workers: Child[] = []
  const addWorker = async (settings?: Record<string, string>) => {
    const worker = await start("worker", settings)
    workers.push(worker)
    return worker
  }
  for (let i = 0; i < (options.workers ?? 1); i++) await addWorker()

  const apiUrl = api.details["url"] ?? ""
  return {
    apiUrl,
    operatorsUrl: api.details["operatorsUrl"] ?? "",
    database,
    queueUrl,
    redis,
    simulator: new SimulatorControl(simulatorUrl),
    api,
    workers,
    addApi,
    addWorker,
    register: () => Customer.register(apiUrl, newLogin()),
    async logs() {
      const texts = await Promise.all(logFiles.map((file) => readFile(file, "utf8")))
      return texts.join("")
    },
    async close() {
      await database.expectNoneInTransaction()
      await Promise.all([...apis, ...workers].map((child) => child.stop()))
      await simulatorApp.close()
      await redis?.close()
      await database.drop()
      await rm(logFolder, { recursive: true })
    },
  }
}

/** Starts a Redis of the test's own, on a data folder of the test's own if need be. */
export function startOwnRedis(dataFolder?: string): Promise<RedisServer> {
  const server = inject("redisServer")
  if ("missing" in server) throw new Error(server.missing)
  return startRedis(server.path, dataFolder)
}
