import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { connectionBy } from "@gofermart/shared/db/connection.ts"
import { withClient } from "@gofermart/shared/db/with-client.ts"
import { migrate } from "@gofermart/shared/migrate/migrate.ts"
import { withSchemaEngine } from "@gofermart/shared/migrate/schema-engine.ts"
import { compareFunctions, type FunctionDifference, FunctionFileError } from "./sql-functions.ts"

/**
 * Writes a migration from what changed in `schema.prisma` and `functions/` since the last one, and returns its
 * folder; undefined when nothing changed. `databaseUrl`: an empty database, or one that has these migrations. It
 * is of no other use afterwards.
 *
 * Throws a `FunctionFileError`, and writes nothing, when a file in `functions/` cannot be used, or changes what
 * a function that the migrations leave takes or returns.
 */
export async function writeMigration(
  prismaFolder: string,
  name: string,
  databaseUrl: string,
): Promise<string | undefined> {
  const migrationsFolder = join(prismaFolder, "migrations")
  const schemaFile = join(prismaFolder, "schema.prisma")
  const before = await lastSchema(migrationsFolder)
  const ofSchema = await diffSchemas(before, await readFile(schemaFile, "utf8"), databaseUrl)
  await migrate(databaseUrl, databaseUrl, () => {}, { folder: migrationsFolder })
  const differences = await withClient(connectionBy(databaseUrl), async (client) => {
    // The functions may name types that this migration makes.
    if (ofSchema !== undefined) await client.query(ofSchema)
    return compareFunctions(client, join(prismaFolder, "functions"))
  })
  refuseChangedCalls(differences)

  const parts = [...(ofSchema === undefined ? [] : [ofSchema]), ...differences.map(statementFor)]
  if (parts.length === 0) return undefined
  const timestamp = new Date().toISOString().replace(/\D/g, "").slice(0, 14)
  const folder = join(migrationsFolder, `${timestamp}_${name}`)
  await mkdir(folder)
  await writeFile(join(folder, "migration.sql"), parts.join("\n"))
  await cp(schemaFile, join(folder, "schema.prisma"))
  return folder
}

/** Processes of the release before call a function as it was, while they run beside the new ones. */
function refuseChangedCalls(differences: FunctionDifference[]): void {
  for (const difference of differences) {
    if (difference.kind !== "added") continue
    const { name } = difference.file
    if (!differences.some((other) => other.kind === "removed" && other.left.name === name)) continue
    throw new FunctionFileError(
      `prisma/functions/${name}.sql changes the arguments or the result of ${name}, which processes of the ` +
        `release before call. Leave it as it was, and put the new function into a file of its own, ` +
        `under a new name.`,
    )
  }
}

function statementFor(difference: FunctionDifference): string {
  switch (difference.kind) {
    case "added":
    case "changed":
      return `-- From prisma/functions/${difference.file.name}.sql\n${difference.file.text}`
    case "removed":
      return `DROP FUNCTION ${difference.left.signature};\n`
  }
}

async function lastSchema(migrationsFolder: string): Promise<string | undefined> {
  const entries = await readdir(migrationsFolder, { withFileTypes: true })
  const last = entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .toSorted()
    .at(-1)
  if (last === undefined) return undefined
  return readFile(join(migrationsFolder, last, "schema.prisma"), "utf8")
}

/** The SQL from one schema to another; undefined when they do not differ. */
async function diffSchemas(
  from: string | undefined,
  to: string,
  databaseUrl: string,
): Promise<string | undefined> {
  const files = (content: string) => ({
    tag: "schemaDatamodel" as const,
    files: [{ path: "schema.prisma", content }],
  })
  const NO_CHANGE = 0
  // The engine wants a live database even to compare two texts.
  const { exitCode, stdout } = await withSchemaEngine(databaseUrl, (engine) =>
    engine.diff({
      from: from === undefined ? { tag: "empty" } : files(from),
      to: files(to),
      script: true,
      exitCode: true,
      filters: { externalTables: [], externalEnums: [] },
    }),
  )
  return exitCode === NO_CHANGE || stdout === null ? undefined : stdout
}
