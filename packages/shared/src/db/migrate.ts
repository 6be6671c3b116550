import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { withSchemaEngine } from "./schema-engine.ts"

const migrationsFolder = fileURLToPath(new URL("../../../../prisma/migrations", import.meta.url))

/**
 * Brings the database to the newest schema and returns the names of the migrations it applied.
 * Idempotent, and safe when several processes start at once (the engine holds an advisory lock).
 * Throws when the database cannot be reached or a migration fails, which then has changed nothing.
 */
export async function migrate(databaseUrl: string): Promise<string[]> {
  const migrationsList = await readMigrations()
  return withSchemaEngine(databaseUrl, async (engine) => {
    const { appliedMigrationNames } = await engine.applyMigrations({
      migrationsList,
      filters: { externalTables: [], externalEnums: [] },
    })
    return appliedMigrationNames
  })
}

async function readMigrations() {
  const entries = await readdir(migrationsFolder, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  const read = (...path: string[]) => readFile(join(migrationsFolder, ...path), "utf8")
  return {
    baseDir: migrationsFolder,
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
