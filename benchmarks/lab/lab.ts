import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { type Child, ENTRIES, startProgram } from "@gofermart/local-stack/child.ts"
import { type EmbeddedPostgres, startPostgres } from "@gofermart/local-stack/postgres.ts"
import { findRedisServer, startRedis } from "@gofermart/local-stack/redis.ts"
import { type Database, openDatabase, SERVICE_TIMEOUTS } from "@gofermart/shared/db/client.ts"
import { migrate } from "@gofermart/shared/db/migrate.ts"
import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { Client, Pool } from "pg"
import { type CpuClock, ownClock, postgresClock, processClock } from "../measure/cpu.ts"
import { HttpLoad } from "../measure/http-load.ts"
import { KEY } from "./customers.ts"

const repository = fileURLToPath(new URL("../../", import.meta.url))

/** So that what a run makes wait is not refused, and the tests' seconds are not the bench's. */
const SERVICE_ENV = {
  AUTH_KEYS: `bench:${KEY}`,
  RUN_ADDRESS: "127.0.0.1:0",
  OPERATORS_ADDRESS: "127.0.0.1:0",
  UNFINISHED_ORDERS_MAX: "100000000",
  LOG_LEVEL: "warn",
}

const LEDGER_CONNECTIONS_MAX = 1

export interface Part {
  url: string
  clock: CpuClock
  child: Child
}

export interface BenchDatabase {
  url: string
  pool: Pool
}

export interface QueueServer {
  url: string
  clock: CpuClock
  /** Takes everything out of it. */
  empty(): Promise<unknown>
}

export interface Settings {
  databaseUrl: string
  queueUrl: string
  scoringUrl?: string
  env?: Record<string, string>
  /** By the end of a module's path, the stand-in that takes its place; see `stand-ins`. */
  standIns?: Record<string, string>
}

/** Somebody ended the bench before it was through. */
export class CutShortError extends Error {
  override name = "CutShortError"
}

type Report = (done: number, of: number, now: string) => void

/** How much is measured. */
export interface Extent {
  rounds: number
  /** Of one run of one side. */
  seconds: number
}

/**
 * What a scenario measures on: a PostgreSQL of the bench's own with its usual settings (so `fsync`
 * and `synchronous_commit` are on), Redis servers, and the system's processes. Whatever a scenario
 * starts ends with its scope.
 */
export class Lab {
  readonly extent: Extent
  readonly logger = createLogger("bench", "error")
  /** Of the load, which this process makes. */
  readonly loadClock = ownClock()
  readonly postgresClock: CpuClock
  /** Tells how far the scenario is; throws `CutShortError` when the bench is to end. */
  readonly report: Report
  readonly #postgres: EmbeddedPostgres
  readonly #folder: string
  readonly #closers: (() => Promise<unknown>)[] = []
  #made = 0
  #isCutShort = false

  private constructor(
    extent: Extent,
    show: Report,
    folder: string,
    postgres: EmbeddedPostgres,
    clock: CpuClock,
  ) {
    this.extent = extent
    this.report = (done, of, now) => {
      if (this.#isCutShort) throw new CutShortError("the bench was ended")
      show(done, of, now)
    }
    this.#folder = folder
    this.#postgres = postgres
    this.postgresClock = clock
  }

  static async open(extent: Extent, show: Report): Promise<Lab> {
    const folder = await mkdtemp(join(tmpdir(), "gofermart-bench-"))
    const postgres = await startPostgres(join(folder, "postgres"))
    return new Lab(extent, show, folder, postgres, await postgresClock(postgres.url("postgres")))
  }

  /** Ends the scenario at its next report, and every later one. */
  cutShort(): void {
    this.#isCutShort = true
  }

  /** Makes a database with the newest schema and nothing in it. */
  async database(): Promise<BenchDatabase> {
    const name = `bench_${++this.#made}`
    await this.#postgres.createDatabase(name)
    const url = this.#postgres.url(name)
    await migrate(url)
    const pool = new Pool({ connectionString: url, max: 4 })
    // The server ends before idle connections do.
    pool.on("error", () => {})
    this.#closers.push(async () => {
      await pool.end()
      await this.#drop(name)
    })
    return { url, pool }
  }

  async redis(): Promise<QueueServer> {
    const found = await findRedisServer()
    if ("missing" in found) throw new Error(found.missing)
    const server = await startRedis(found.path)
    this.#closers.push(() => server.close())
    return {
      url: server.url,
      clock: processClock(() => server.pid()),
      empty: () => server.flushAll(),
    }
  }

  /** The bench's own way to the ledger's functions, until the scope ends. */
  ledger({ url }: BenchDatabase): Database {
    const limits = { connectionsMax: LEDGER_CONNECTIONS_MAX, ...SERVICE_TIMEOUTS }
    const ledger = openDatabase(url, "gofermart-bench", limits)
    this.#closers.push(() => ledger.$disconnect())
    return ledger
  }

  /** The bench's own way to the queue, until the scope ends. */
  async queue({ url }: { url: string }): Promise<AccrualQueue> {
    const queue = await openAccrualQueue(url, this.logger)
    this.#closers.push(() => queue.close())
    return queue
  }

  /** So many connections to a server, until the scope ends. */
  load({ url }: Part, connections: number): HttpLoad {
    const load = new HttpLoad(url, connections)
    this.#closers.push(() => load.close())
    return load
  }

  startApi(settings: Settings): Promise<Part> {
    return this.start(ENTRIES.api, envOf(settings), settings.standIns)
  }

  startWorker(settings: Settings): Promise<Part> {
    return this.start(ENTRIES.worker, envOf(settings), settings.standIns)
  }

  /** A scoring system that answers every question at once, or after a while. */
  startScoring(delayMs = 0): Promise<Part> {
    return this.start("benchmarks/programs/scoring.ts", { DELAY_MS: `${delayMs}` })
  }

  /** Starts a program of this repository, named by its path in it. */
  async start(
    program: string,
    env: Record<string, string>,
    standIns: Record<string, string> = {},
  ): Promise<Part> {
    const logFile = this.file(`${++this.#made}.log`)
    const child = await startProgram(program, { ...env, ...standInEnv(standIns) }, logFile)
    this.#closers.push(() => child.stop())
    return {
      url: child.details["url"] ?? "",
      clock: processClock(() => child.pid),
      child,
    }
  }

  /** The path of a file that is gone when the bench ends. */
  file(name: string): string {
    return join(this.#folder, name)
  }

  /** A large one would fill the disk while later scenarios run. */
  async #drop(name: string): Promise<void> {
    const client = new Client({ connectionString: this.#postgres.url("postgres") })
    await client.connect()
    await client.query(`DROP DATABASE ${name} WITH (FORCE)`)
    await client.end()
  }

  /** Ends what the scenario has started, the latest first. */
  async endScope(): Promise<void> {
    for (const close of this.#closers.splice(0).toReversed()) await close()
  }

  async close(): Promise<void> {
    await this.endScope()
    await this.#postgres.stop("immediate")
    await rm(this.#folder, { recursive: true })
  }
}

function envOf({ databaseUrl, queueUrl, scoringUrl, env }: Settings): Record<string, string> {
  return {
    ...SERVICE_ENV,
    DATABASE_URL: databaseUrl,
    QUEUE_URL: queueUrl,
    ...(scoringUrl === undefined ? {} : { SCORING_URL: scoringUrl }),
    ...env,
  }
}

function standInEnv(standIns: Record<string, string>): Record<string, string> {
  const modules = Object.entries(standIns)
  if (modules.length === 0) return {}
  const folder = join(repository, "benchmarks/stand-ins")
  const urls = modules.map(([module, file]) => [module, pathToFileURL(join(folder, file)).href])
  return {
    STAND_INS: JSON.stringify(Object.fromEntries(urls)),
    NODE_OPTIONS: `--import=${join(folder, "hook.ts")}`,
  }
}
