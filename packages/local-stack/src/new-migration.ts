import { mkdtemp } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { startPostgres } from "./postgres.ts"
import { FunctionFileError } from "./sql-functions.ts"
import { writeMigration } from "./write-migration.ts"

const HELP = `Writes a new migration from what changed in prisma/schema.prisma and prisma/functions/.

  pnpm migration:new NAME        NAME in snake_case, such as add_streams

It compares the schema with the one kept beside the last migration, and the functions with those of a
database that has all migrations. A new or changed function is copied into the new migration.sql, and one
that no longer has a file is dropped. Triggers, CHECKs, partial indexes and whatever else the schema
language cannot say are then added by hand.
`

const prismaFolder = fileURLToPath(new URL("../../../prisma/", import.meta.url))
const say = (line: string) => process.stdout.write(`${line}\n`)

const [name = ""] = process.argv.slice(2)
if (!/^[a-z][a-z0-9_]*$/.test(name)) {
  say(HELP)
  process.exit(name === "--help" || name === "-h" ? 0 : 1)
}

let exitCode = 0
try {
  const folder = await withEmptyDatabase((url) => writeMigration(prismaFolder, name, url))
  if (folder === undefined) {
    say("Nothing changed since the last migration, neither the schema nor a function.")
  } else {
    say(`Wrote ${folder}. Read it, complete it by hand, then run: pnpm test`)
  }
} catch (error) {
  if (!(error instanceof FunctionFileError)) throw error
  say(error.message)
  exitCode = 1
}
// The engine's timers would hold the process for another ten seconds.
process.exit(exitCode)

async function withEmptyDatabase<Result>(use: (url: string) => Promise<Result>): Promise<Result> {
  const postgres = await startPostgres(await mkdtemp(join(tmpdir(), "gofermart-migration-")))
  try {
    return await use(postgres.url("postgres"))
  } finally {
    await postgres.stop()
    await postgres.remove()
  }
}
