import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { withSchemaEngine } from "@gofermart/shared/db/schema-engine.ts"
import { startPostgres } from "./postgres.ts"

const HELP = `Writes a new migration from what changed in prisma/schema.prisma.

  pnpm migration:new NAME        NAME in snake_case, such as add_streams

It compares the schema with the one kept beside the last migration. What the schema language cannot
say (CHECKs, partial indexes, functions) is then added to the new migration.sql by hand.
`

const prismaFolder = fileURLToPath(new URL("../../../prisma/", import.meta.url))
const migrationsFolder = join(prismaFolder, "migrations")
const schemaFile = join(prismaFolder, "schema.prisma")
const say = (line: string) => process.stdout.write(`${line}\n`)

const [name = ""] = process.argv.slice(2)
if (!/^[a-z][a-z0-9_]*$/.test(name)) {
  say(HELP)
  process.exit(name === "--help" || name === "-h" ? 0 : 1)
}

const sql = await diff(await lastSchema(), await readFile(schemaFile, "utf8"))
if (sql === undefined) {
  say("Nothing changed since the last migration.")
} else {
  const timestamp = new Date().toISOString().replace(/\D/g, "").slice(0, 14)
  const folder = join(migrationsFolder, `${timestamp}_${name}`)
  await mkdir(folder)
  await writeFile(join(folder, "migration.sql"), sql)
  await cp(schemaFile, join(folder, "schema.prisma"))
  say(`Wrote ${folder}. Read it, complete it by hand, then run: pnpm test`)
}
// The engine's timers would hold the process for another ten seconds.
process.exit(0)

async function lastSchema(): Promise<string | undefined> {
  const entries = await readdir(migrationsFolder, { withFileTypes: true })
  const last = entries
    .filter((entry) => entry.isDirectory())
    .toSorted(byName)
    .at(-1)
  if (last === undefined) return undefined
  return readFile(join(migrationsFolder, last.name, "schema.prisma"), "utf8")
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1
}

/** The SQL from one schema to another; undefined when they do not differ. */
async function diff(from: string | undefined, to: string): Promise<string | undefined> {
  const files = (content: string) => ({
    tag: "schemaDatamodel" as const,
    files: [{ path: "schema.prisma", content }],
  })
  const NO_CHANGE = 0
  const { exitCode, stdout } = await withEmptyDatabase((databaseUrl) =>
    withSchemaEngine(databaseUrl, (engine) =>
      engine.diff({
        from: from === undefined ? { tag: "empty" } : files(from),
        to: files(to),
        script: true,
        exitCode: true,
        filters: { externalTables: [], externalEnums: [] },
      }),
    ),
  )
  return exitCode === NO_CHANGE || stdout === null ? undefined : stdout
}

// The engine wants a live database even to compare two texts.
async function withEmptyDatabase<Result>(use: (url: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), "gofermart-migration-"))
  const postgres = await startPostgres(folder)
  try {
    return await use(postgres.url("postgres"))
  } finally {
    await postgres.stop()
    await rm(folder, { recursive: true })
  }
}
