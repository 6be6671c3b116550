import { randomUUID } from "node:crypto"
import { mkdtemp } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type EmbeddedPostgres, startPostgres } from "@gofermart/local-stack/postgres.ts"
import { type Database, openDatabase } from "@gofermart/shared/db/client.ts"
import { migrate } from "@gofermart/shared/migrate/migrate.ts"
import { inject } from "vitest"
import { atEndOrBefore } from "./at-end.ts"
import { eventually } from "./eventually.ts"
import { TEST_SERVER_SETTINGS } from "./server-settings.ts"
import { administer, copyTemplate } from "./template.ts"

export interface TestDatabase {
  url: string
  /** Where a pooler is between: the same past it, as a queue in it needs. */
  queueUrl?: string
  client: Database
  /** Fails when a connection is idle in a transaction. */
  expectNoneInTransaction(): Promise<void>
  /** What a file does not drop is dropped at its end. Before that it may do so as often as it likes. */
  drop: () => Promise<void>
}

/**
 * Makes a database of the test file's own, with the newest schema and nothing in it. Its `drop` fails
 * when a connection is idle in a transaction.
 */
export async function createDatabase(): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll("-", "")}`
  await copyTemplate(databaseUrl("postgres"), name)
  const pooled = inject("pooledUrl").replace("DATABASE", name)
  const direct = databaseUrl(name)
  const database = {
    ...testDatabase(pooled || direct, () => dropDatabase(name)),
    ...(pooled !== "" && { queueUrl: direct }),
  }
  return { ...database, drop: atEndOrBefore(() => dropUnused(database)) }
}

/**
 * Starts a PostgreSQL server of the test's own, for it to stop and crash, with a database in it.
 * `parent`: the folder that its data folder is to be in.
 */
export async function startOwnDatabase(
  parent = tmpdir(),
): Promise<TestDatabase & { server: EmbeddedPostgres }> {
  const folder = await mkdtemp(join(parent, "gofermart-server-"))
  const server = await startPostgres(folder, TEST_SERVER_SETTINGS)
  await server.createDatabase("gofermart")
  const url = server.url("gofermart")
  await migrate(url)
  const database = testDatabase(url, async () => {
    await server.stop("immediate")
    await server.remove()
  })
  return { ...database, drop: atEndOrBefore(database.drop), server }
}

async function dropUnused(database: TestDatabase): Promise<void> {
  try {
    await database.expectNoneInTransaction()
  } finally {
    await database.drop()
  }
}

/** Opens a database that is there; `drop` takes it away. */
export function testDatabase(url: string, drop: () => Promise<void>): TestDatabase {
  const client = openDatabase(url, "tests", {
    connectionsMax: 60,
    connectTimeoutMs: 10_000,
    statementTimeoutMs: 30_000,
  })
  return {
    url,
    client,
    async expectNoneInTransaction() {
      // One that is between two statements of its own is seen only once.
      await eventually("no connection is idle in a transaction", async () => {
        const open = await client.$queryRaw<unknown[]>`
          SELECT FROM pg_stat_activity
           WHERE datname = current_database() AND state LIKE 'idle in transaction%'`
        return open.length === 0
      })
    },
    async drop() {
      await client.$disconnect()
      await drop()
    },
  }
}

/** Makes a database with nothing in it, not even a schema. `options`: of CREATE DATABASE. */
export async function createEmptyDatabase(
  options = "",
): Promise<{ url: string; drop: () => Promise<void> }> {
  const name = `empty_${randomUUID().replaceAll("-", "")}`
  await administer(databaseUrl("postgres"), `CREATE DATABASE ${name} ${options}`)
  return { url: databaseUrl(name), drop: atEndOrBefore(() => dropDatabase(name)) }
}

function databaseUrl(name: string): string {
  return inject("postgresUrl").replace("DATABASE", name)
}

function dropDatabase(name: string): Promise<void> {
  return administer(databaseUrl("postgres"), `DROP DATABASE ${name} WITH (FORCE)`)
}
