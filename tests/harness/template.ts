import { Client } from "pg"

/** Every test database is a copy of this one, which has the newest schema. */
export const TEMPLATE_DATABASE = "gofermart_template"

/** Makes a database with the newest schema and nothing in it. `administrationUrl`: see `administer`. */
export async function copyTemplate(administrationUrl: string, name: string): Promise<void> {
  await administer(administrationUrl, `CREATE DATABASE ${name} TEMPLATE ${TEMPLATE_DATABASE}`)
}

/**
 * Executes a statement on the tests' server. `administrationUrl`: of any database of it but the one
 * that the statement is about.
 */
export async function administer(administrationUrl: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: administrationUrl })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
