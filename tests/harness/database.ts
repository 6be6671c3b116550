import { randomUUID } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type EmbeddedPostgres, startPostgres } from "@gofermart/local-stack/postgres.ts"
import { type Database, openDatabase } from "@gofermart/shared/db/client.ts"
import { migrate } from "@gofermart/shared/db/migrate.ts"
import { Client } from "pg"
import { inject } from "vitest"
import { eventually } from "./eventually.ts"
import { TEMPLATE_DATABASE } from "./servers.ts"

export interface TestDatabase {
  url: string
  client: Database
  /** Fails when a connection is idle in a transaction. */
  expectNoneInTransaction(): Promise<void>
  drop(): Promise<void>
}

/** Makes a database of the test file's own, with the newest schema and nothing in it. */
export async function createDatabase(): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll("-", "")}`
  await administer(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE_DATABASE}`)
  const drop = () => administer(`DROP DATABASE ${name} WITH (FORCE)`)
  return testDatabase(databaseUrl(name), drop)
}

/**
 * Starts a PostgreSQL server of the test's own, for it to stop and crash, with a database in it.
 * `parent`: the folder that its data folder is to be in.
 */
export async function startOwnDatabase(
  parent = tmpdir(),
): Promise<TestDatabase & { server: EmbeddedPostgres }> {
  const folder = await mkdtemp(join(parent, "gofermart-server-"))
  const server = await startPostgres(folder)
  await server.createDatabase("gofermart")
  const url = server.url("gofermart")
  await migrate(url)
  const database = testDatabase(url, async () => {
    await server.stop("immediate")
    await rm(folder, { recursive: true })
  })
  return { ...database, server }
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

/** Makes a database with nothing in it, not even a schema. */
export async function createEmptyDatabase(): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `empty_${randomUUID().replaceAll("-", "")}`
  await administer(`CREATE DATABASE ${name}`)
  return {
    url: databaseUrl(name),
    drop: () => administer(`DROP DATABASE ${name} WITH (FORCE)`),
  }
}

function databaseUrl(name: string): string {
  return inject("postgresUrl").replace("DATABASE", name)
}

async function administer(statement: string): Promise<void> {
  const client = new Client({ connectionString: databaseUrl("postgres") })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
