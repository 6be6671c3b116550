import { readFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { PrismaPg } from "@prisma/adapter-pg"
import { bindMigrationAwareSqlAdapterFactory } from "@prisma/driver-adapter-utils"
import { Pool } from "pg"
import type { SchemaEngine } from "@prisma/schema-engine-wasm/schema_engine_bg"

const CONNECTIONS_MAX = 2

// The package keeps its instance in a module variable: a second one would pull the first from
// under whoever uses it.
let engineBindings: ReturnType<typeof loadWebAssembly> | undefined

/**
 * Runs Prisma's own schema engine, compiled to WebAssembly, on a database.
 *
 * The `prisma migrate` command needs a native engine from a download host that closed networks
 * do not reach; this one comes with the npm packages and writes the same `_prisma_migrations`
 * table with the same checksums, so `prisma migrate deploy` elsewhere agrees with it.
 */
export async function withSchemaEngine<Result>(
  databaseUrl: string,
  use: (engine: SchemaEngine) => Promise<Result>,
): Promise<Result> {
  engineBindings ??= loadWebAssembly()
  const { SchemaEngine } = await engineBindings
  // The engine takes an advisory lock on its connection: ending the pool releases it.
  const pool = new Pool({ connectionString: databaseUrl, max: CONNECTIONS_MAX })
  try {
    const adapter = bindMigrationAwareSqlAdapterFactory(new WholeScripts(pool))
    const engine = await SchemaEngine.new({ datamodels: undefined }, () => {}, adapter)
    return await use(engine)
  } finally {
    await pool.end()
  }
}

/**
 * Prisma's adapter splits a script at every semicolon, which cuts function bodies apart. Sent
 * whole, a script is also one transaction: a migration applies entirely or not at all.
 */
class WholeScripts extends PrismaPg {
  private readonly pool: Pool

  constructor(pool: Pool) {
    super(pool)
    this.pool = pool
  }

  override async connect() {
    const adapter = await super.connect()
    adapter.executeScript = async (script) => {
      await this.pool.query(script)
    }
    return adapter
  }
}

// The package is made for bundlers, which instantiate a `.wasm` import by themselves; Node does not.
async function loadWebAssembly() {
  const bindings = await import("@prisma/schema-engine-wasm/schema_engine_bg")
  const entry = createRequire(import.meta.url).resolve(
    "@prisma/schema-engine-wasm/schema_engine_bg",
  )
  const binary = await readFile(entry.replace(/\.js$/, ".wasm"))
  const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyGlobal }
  const { instance } = await WebAssembly.instantiate(binary, { "./schema_engine_bg.js": bindings })
  const internals = bindings as unknown as { __wbg_set_wasm: (exports: EngineExports) => void }
  internals.__wbg_set_wasm(instance.exports)
  instance.exports.__wbindgen_start()
  return bindings
}

// Node has these, its type definitions do not.
interface WebAssemblyGlobal {
  instantiate(binary: Buffer, imports: object): Promise<{ instance: { exports: EngineExports } }>
}
interface EngineExports {
  __wbindgen_start(): void
}
