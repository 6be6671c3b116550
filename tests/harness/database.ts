import { randomUUID } from "node:crypto"
import { type Database, openDatabase } from "@gofermart/shared/db/client.ts"
import { Client } from "pg"
import { inject } from "vitest"
import { TEMPLATE_DATABASE } from "./servers.ts"

export interface TestDatabase {
  url: string
  client: Database
  /** Drops the database. Fails when somebody left a transaction open in it. */
  drop(): Promise<void>
}

/** Makes a database of the test file's own, with the newest schema and nothing in it. */
export async function createDatabase(): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll("-", "")}`
  await administer(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE_DATABASE}`)
  const url = databaseUrl(name)
  const client = openDatabase(url, "tests", {
    connectionsMax: 60,
    connectTimeoutMs: 10_000,
    statementTimeoutMs: 30_000,
  })
  return {
    url,
    client,
    async drop() {
      const open = await client.$queryRaw<{ query: string }[]>`
        SELECT query FROM pg_stat_activity
         WHERE datname = current_database() AND state LIKE 'idle in transaction%'`
      await client.$disconnect()
      await administer(`DROP DATABASE ${name} WITH (FORCE)`)
      if (open.length > 0) throw new Error(`left in a transaction: ${open[0]?.query}`)
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
