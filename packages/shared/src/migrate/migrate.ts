import { readdir, readFile } from "node:fs/promises"
import { findPackageJSON } from "node:module"
import { dirname, join } from "node:path"
import { type ClientBase, escapeIdentifier } from "pg"
import { migrateQueue } from "../queue/postgres-pool.ts"
import { isRedisUrl } from "../queue/redis-url.ts"
import { ConfigError } from "../runtime/env.ts"
import { connectionBy, DEFAULT_SCHEMA, schemaOf } from "../db/connection.ts"
import { expectAnswer } from "../db/expect-answer.ts"
import { forgetUnfinished, type MigrationReport, runScript, takingTurns } from "./scripts.ts"
import { unusable } from "../db/refusals.ts"
import type { RoutedConfig } from "../db/routed-client.ts"
import { whatLacksToMigrate } from "../db/rights.ts"
import { withClient } from "../db/with-client.ts"
import { withSchemaEngine } from "./schema-engine.ts"

const CONNECT_TIMEOUT_MS = 10_000
/** Duplicate schema, or unique violation where another one's is not committed yet. */
const ALREADY_THERE = new Set(["42P06", "23505"])
/** Until a migration that does not get a lock fails. */
const LOCK_WAIT_MAX_MS = 600_000

// Where this runs, as a source or built: in a package, which lies two folders deep.
const packageFolder = dirname(findPackageJSON("..", import.meta.url) ?? "")
const migrationsFolder = join(packageFolder, "../../prisma/migrations")

interface MigrateOptions {
  folder?: string
  lockWaitMaxMs?: number
  signal?: AbortSignal
}

/**
 * Brings the database to the newest schema, and the queue's where it is in PostgreSQL; returns the
 * names of the migrations it applied. Idempotent, and safe when several processes start at once: one
 * after the other migrates. What one left that was killed is finished or begun anew. `report` is told what
 * it waits for, and `signal` ends it: what was under way then is not done.
 *
 * Throws when the database cannot be reached or a migration fails, which then has changed nothing, and
 * a `ConfigError` when the database answers that it will not do with this URL.
 */
export async function migrate(
  databaseUrl: string,
  queueUrl = databaseUrl,
  report: MigrationReport = () => {},
  {
    folder = migrationsFolder,
    lockWaitMaxMs = LOCK_WAIT_MAX_MS,
    signal = new AbortController().signal,
  }: MigrateOptions = {},
): Promise<string[]> {
  // As the services ask, so that a refusal is told in the same words: the engine's adapter has others.
  await expectAnswer(databaseUrl, CONNECT_TIMEOUT_MS)
  const schema = schemaOf(databaseUrl)
  const connection = {
    ...connectionBy(databaseUrl),
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  }
  if (schema !== DEFAULT_SCHEMA) await makeSchema(connection, schema)
  const migrationsList = await readMigrations(folder)
  const run = { schema, report, lockWaitMaxMs, signal }
  const applied = await takingTurns(databaseUrl, run, async (client) => {
    await forgetUnfinished(client, schema)
    return withSchemaEngine(
      databaseUrl,
      async (engine) => {
        const { appliedMigrationNames } = await engine.applyMigrations({
          migrationsList,
          filters: { externalTables: [], externalEnums: [] },
        })
        return appliedMigrationNames
      },
      (pool, script) => runScript(client, pool, script, run),
    )
  }).catch(async (error: unknown) => {
    const asked = withClient(connection, (client) => refuseWithoutRights(client, schema))
    await asked.catch((refusal: unknown) => {
      if (refusal instanceof ConfigError) throw refusal
    })
    throw error
  })
  if (!isRedisUrl(queueUrl)) await migrateQueue(queueUrl)
  return applied
}

async function makeSchema(connection: RoutedConfig, schema: string): Promise<void> {
  await withClient(connection, async (client) => {
    const { rowCount } = await client.query("SELECT FROM pg_namespace WHERE nspname = $1", [schema])
    if (rowCount !== 0) return
    await refuseWithoutRights(client, schema)
    try {
      await client.query(`CREATE SCHEMA ${escapeIdentifier(schema)}`)
    } catch (error) {
      // Of two that make it at once the second fails, even where it says IF NOT EXISTS.
      if (!ALREADY_THERE.has((error as { code?: string }).code ?? "")) throw error
    }
  })
}

async function refuseWithoutRights(client: ClientBase, schema: string): Promise<void> {
  const lack = await whatLacksToMigrate(client, schema)
  if (lack !== undefined) throw unusable("DATABASE_URL", lack)
}

async function readMigrations(folder: string) {
  const entries = await readdir(folder, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  const read = (...path: string[]) => readFile(join(folder, ...path), "utf8")
  return {
    baseDir: folder,
    lockfile: { path: "migration_lock.toml", content: await read("migration_lock.toml") },
    shadowDbInitScript: "",
    migrationDirectories: await Promise.all(
      names.toSorted().map(async (name) => ({
        path: name,
        migrationFile: {
          path: "migration.sql",
          content: { tag: "ok" as const, value: await read(name, "migration.sql") },
        },
      })),
    ),
  }
}
