import { readFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { PrismaPg } from "@prisma/adapter-pg"
import { bindMigrationAwareSqlAdapterFactory } from "@prisma/driver-adapter-utils"
import type { Pool } from "pg"
import type { SchemaEngine } from "@prisma/schema-engine-wasm/schema_engine_bg"
import { connectionBy, schemaOf } from "../db/connection.ts"
import { openPool } from "../db/pool.ts"

/** The engine's, and one to ask what a script waits for. */
const CONNECTIONS_MAX = 2

/**
 * How a connection is that migrates. The engine reads the dates of its own table, and its adapter takes
 * them all for ISO's, of UTC. Limits for clients, which a database or a role may have, are none for it:
 * an index may take hours. Releases of PostgreSQL have some of them each.
 */
export const MIGRATING = `
  SET timezone = 'UTC';
  SET datestyle = 'ISO';
  SELECT set_config(name, '0', false) FROM pg_settings
   WHERE name IN ('statement_timeout', 'transaction_timeout', 'idle_session_timeout',
                  'idle_in_transaction_session_timeout')`

// The package keeps its instance in a module variable: a second one would pull the first from
// under whoever uses it.
let engineBindings: ReturnType<typeof loadWebAssembly> | undefined

/**
 * Runs Prisma's own schema engine, compiled to WebAssembly, on a database.
 *
 * The `prisma migrate` command needs a native engine from a download host that closed networks
 * do not reach; this one comes with the npm packages and writes the same `_prisma_migrations`
 * table with the same checksums, so `prisma migrate deploy` elsewhere agrees with it.
 *
 * `runScript`: how a migration is run.
 */
export async function withSchemaEngine<Result>(
  databaseUrl: string,
  use: (engine: SchemaEngine) => Promise<Result>,
  runScript: (pool: Pool, script: string) => Promise<void> = runPlainly,
): Promise<Result> {
  engineBindings ??= loadWebAssembly()
  const { SchemaEngine } = await engineBindings
  // The engine takes an advisory lock on its connection: ending the pool releases it.
  const pool = openPool({
    ...connectionBy(databaseUrl),
    max: CONNECTIONS_MAX,
    onConnect: (client) => client.query(MIGRATING),
  })
  const scripts = new WholeScripts(pool, schemaOf(databaseUrl), runScript)
  const adapter = bindMigrationAwareSqlAdapterFactory(scripts)
  try {
    const engine = await SchemaEngine.new({ datamodels: undefined }, () => {}, adapter)
    return await use(engine)
  } catch (error) {
    // Of what the adapter threw the engine says a number: "External error id#0".
    const id = /External error id#(\d+)/.exec(String(error))?.[1]
    throw adapter.errorRegistry.consumeError(Number(id))?.error ?? error
  } finally {
    await pool.end()
  }
}

/**
 * Prisma's adapter splits a script at every semicolon, which cuts function bodies apart. Sent
 * whole, a script is also one transaction: a migration applies entirely or not at all. (Of a single
 * statement the server makes none, so that it may be a `CREATE INDEX CONCURRENTLY`.)
 */
class WholeScripts extends PrismaPg {
  private readonly pool: Pool
  private readonly runScript: (pool: Pool, script: string) => Promise<void>

  constructor(
    pool: Pool,
    schema: string,
    runScript: (pool: Pool, script: string) => Promise<void>,
  ) {
    super(pool, { schema })
    this.pool = pool
    this.runScript = runScript
  }

  override async connect() {
    const adapter = await super.connect()
    adapter.executeScript = (script) => this.runScript(this.pool, script)
    return adapter
  }
}

async function runPlainly(pool: Pool, script: string): Promise<void> {
  await pool.query(script)
}

// The package is made for bundlers, which instantiate a `.wasm` import by themselves; Node does not.
async function loadWebAssembly() {
  const bindings = await import("@prisma/schema-engine-wasm/schema_engine_bg")
  const entry = createRequire(import.meta.url).resolve(
    "@prisma/schema-engine-wasm/schema_engine_bg",
  )
  const binary = await readFile(entry.replace(/\.js$/, ".wasm"))
  const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyGlobal }
  const imports = { ...bindings, ...unrefTimers(bindings) }
  const { instance } = await WebAssembly.instantiate(binary, { "./schema_engine_bg.js": imports })
  const internals = bindings as unknown as { __wbg_set_wasm: (exports: EngineExports) => void }
  internals.__wbg_set_wasm(instance.exports)
  instance.exports.__wbindgen_start()
  return bindings
}

/** The engine never clears the timer of its lock, which would hold the process for ten seconds. */
function unrefTimers(bindings: object) {
  const timers = Object.entries(bindings).filter(([name]) => name.startsWith("__wbg_setTimeout_"))
  return Object.fromEntries(
    timers.map(([name, setTimer]: [string, SetTimer]) => [
      name,
      (run: () => void, delayMs: number) => setTimer(run, delayMs).unref(),
    ]),
  )
}

type SetTimer = (run: () => void, delayMs: number) => NodeJS.Timeout

// Node has these, its type definitions do not.
interface WebAssemblyGlobal {
  instantiate(binary: Buffer, imports: object): Promise<{ instance: { exports: EngineExports } }>
}
interface EngineExports {
  __wbindgen_start(): void
}
