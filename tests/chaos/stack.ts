import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Child, startChild } from "@gofermart/local-stack/child.ts"
import { freePort } from "@gofermart/local-stack/ports.ts"
import { type EmbeddedPostgres, startPostgres } from "@gofermart/local-stack/postgres.ts"
import { buildSimulator } from "@gofermart/scoring-simulator/app.ts"
import { type Database, openDatabase } from "@gofermart/shared/db/client.ts"
import { migrate } from "@gofermart/shared/migrate/migrate.ts"
import { type FaultProxy, startFaultProxy } from "../harness/fault-proxy.ts"
import { findRedisServer, type RedisServer, startRedis } from "@gofermart/local-stack/redis.ts"
import { SimulatorControl } from "../harness/simulator-control.ts"
import { TEST_SERVER_SETTINGS } from "../harness/server-settings.ts"

const APIS = 2
const WORKERS = 2
const REQUEUE_LEASE_MAX_MS = 20_000
const BACKOFF_MAX_MS = 60_000
/** The longest that an order may be put off by a delay that is configured here. */
export const LONGEST_DELAY_MS = Math.max(REQUEUE_LEASE_MAX_MS, BACKOFF_MAX_MS)

export type Process = "api" | "worker"

/** A whole system on this machine, each part of which can be hurt by itself. */
export interface Stack {
  apiUrls: string[]
  client: Database
  postgres: EmbeddedPostgres
  /** Undefined when the queue is on PostgreSQL. */
  redis: RedisServer | undefined
  simulator: SimulatorControl
  /** What the services reach the database through. */
  database: FaultProxy
  scoring: FaultProxy
  processes: Record<Process, Child[]>
  /** Starts an instance again where one was. */
  restart(process: Process, index: number): Promise<void>
  close(): Promise<void>
}

export async function buildStack(queue: "redis" | "postgresql"): Promise<Stack> {
  const folder = await mkdtemp(join(tmpdir(), "gofermart-chaos-"))
  const postgres = await startPostgres(join(folder, "postgres"), TEST_SERVER_SETTINGS)
  await postgres.createDatabase("gofermart")
  const url = postgres.url("gofermart")
  await migrate(url)
  const database = await startFaultProxy(url)
  const redis = queue === "redis" ? await startRedis(await redisProgram()) : undefined
  const simulatorApp = buildSimulator({})
  const simulatorUrl = await simulatorApp.listen({ host: "127.0.0.1", port: 0 })
  const scoring = await startFaultProxy(simulatorUrl)
  const simulator = new SimulatorControl(simulatorUrl)
  await simulator.behave({ autoRegister: true })

  const ports = await Promise.all(Array.from({ length: APIS }, () => freePort()))
  const start = (process: Process, index: number) =>
    startChild(
      process,
      {
        DATABASE_URL: database.url,
        QUEUE_URL: redis?.url ?? database.url,
        SCORING_URL: scoring.url,
        SCORING_TIMEOUT: "5s",
        AUTH_KEYS: `chaos:${"A".repeat(43)}`,
        RUN_ADDRESS: `127.0.0.1:${ports[index]}`,
        OPERATORS_ADDRESS: "127.0.0.1:0",
        REQUEUE_INTERVAL: "1s",
        REQUEUE_LEASE_MIN: "5s",
        REQUEUE_LEASE_MAX: `${REQUEUE_LEASE_MAX_MS}ms`,
        SHUTDOWN_GRACE: "10s",
      },
      join(folder, `${process}-${index}-${Date.now()}.log`),
    )
  const startAll = (process: Process, count: number) =>
    Promise.all(Array.from({ length: count }, (_, index) => start(process, index)))
  const processes = { api: await startAll("api", APIS), worker: await startAll("worker", WORKERS) }
  const client = openDatabase(url, "chaos", {
    connectionsMax: 4,
    connectTimeoutMs: 10_000,
    statementTimeoutMs: 120_000,
  })
  return {
    apiUrls: ports.map((port) => `http://127.0.0.1:${port}`),
    client,
    postgres,
    redis,
    simulator,
    database,
    scoring,
    processes,
    async restart(process, index) {
      processes[process][index] = await start(process, index)
    },
    async close() {
      const all = [...processes.api, ...processes.worker]
      await Promise.all(all.map((child) => child.stop()))
      await client.$disconnect()
      await Promise.all([database.close(), scoring.close(), redis?.close()])
      await simulatorApp.close()
      await postgres.stop("immediate")
      await rm(folder, { recursive: true })
    },
  }
}

async function redisProgram(): Promise<string> {
  const found = await findRedisServer()
  if ("missing" in found) throw new Error(found.missing)
  return found.path
}
