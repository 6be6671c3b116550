import type { ClientBase } from "pg"
import type { TableRight } from "./table-right.ts"

/** The tables of this system; each service reads all of them that are there. */
export const TABLES = [
  "users",
  "user_balances",
  "orders",
  "accruals",
  "withdrawals",
  "contradictions",
  "scoring_pause",
  "scoring_pace",
  "throttles",
  "accrual_backlog",
  "ledger_check",
  "ended_tokens",
]

/** In the order in which they are usually written. */
const PRIVILEGES = ["SELECT", "INSERT", "UPDATE", "DELETE"]

/**
 * What keeps a user from working with the tables, in a few words; undefined when nothing does, also
 * before the migrations. Rejects when there is no such schema. `rights`: what the service writes.
 */
export async function whatLacksInTables(
  client: ClientBase,
  schema: string,
  rights: readonly TableRight[],
): Promise<string | undefined> {
  const { rows } = await client.query<{ usage: boolean; tables: boolean; name: string }>(
    `WITH needed AS (SELECT * FROM unnest($2::text[], $3::text[]) AS n (name, privilege)),
          present AS (SELECT c.oid, relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
                       WHERE nspname = $1 AND relname = ANY ($4))
     SELECT has_schema_privilege(n.oid, 'USAGE') AS usage,
            NOT EXISTS (SELECT FROM present WHERE NOT has_table_privilege(oid, 'SELECT'))
            AND NOT EXISTS (SELECT FROM present JOIN needed ON name = relname
                             WHERE NOT has_table_privilege(oid, privilege)) AS tables,
            quote_ident(n.nspname) AS name
       FROM pg_namespace n WHERE nspname = $1`,
    [schema, rights.map(([table]) => table), rights.map(([, right]) => right), TABLES],
  )
  const [row] = rows
  if (row === undefined) throw new Error(`there is no schema ${schema}: run the migration`)
  const written = new Set<string>(rights.map(([, right]) => right))
  const privileges = PRIVILEGES.filter((name) => name === "SELECT" || written.has(name))
  return tellOfGrants([
    !row.usage && `USAGE ON SCHEMA ${row.name}`,
    !row.tables && `${privileges.join(", ")} ON ALL TABLES IN SCHEMA ${row.name}`,
  ])
}

/** The same for the queue's schema; before the migration that it is not there is no lack. */
export async function whatLacksInQueue(
  client: ClientBase,
  schema: string,
): Promise<string | undefined> {
  const { rows } = await client.query<{
    usage: boolean
    tables: boolean
    sequences: boolean
    temporary: boolean
    name: string
    database: string
  }>(
    `SELECT has_schema_privilege(n.oid, 'USAGE') AS usage,
            coalesce(bool_and(has_table_privilege(c.oid, 'SELECT')
                              AND has_table_privilege(c.oid, 'INSERT')
                              AND has_table_privilege(c.oid, 'UPDATE')
                              AND has_table_privilege(c.oid, 'DELETE'))
                     FILTER (WHERE c.relkind IN ('r', 'p')), true) AS tables,
            coalesce(bool_and(has_sequence_privilege(c.oid, 'USAGE'))
                     FILTER (WHERE c.relkind = 'S'), true) AS sequences,
            has_database_privilege(current_database(), 'TEMPORARY') AS temporary,
            quote_ident(n.nspname) AS name,
            quote_ident(current_database()) AS database
       FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid
      WHERE n.nspname = $1
      GROUP BY n.oid, n.nspname`,
    [schema],
  )
  const [row] = rows
  return tellOfGrants([
    row?.usage === false && `USAGE ON SCHEMA ${row.name}`,
    row?.tables === false && `SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${row.name}`,
    row?.sequences === false && `USAGE ON ALL SEQUENCES IN SCHEMA ${row.name}`,
    // Many jobs are added through one.
    row?.temporary === false && `TEMPORARY ON DATABASE ${row.database}`,
  ])
}

/** What keeps a user from making a schema, or what is to be in it; undefined when nothing does. */
export async function whatLacksToMigrate(
  client: ClientBase,
  schema: string,
): Promise<string | undefined> {
  const { rows } = await client.query<{
    isThere: boolean
    fills: boolean | null
    makes: boolean
    name: string
    database: string
  }>(
    `SELECT n.oid IS NOT NULL AS "isThere",
            has_schema_privilege(n.oid, 'USAGE') AND has_schema_privilege(n.oid, 'CREATE') AS fills,
            has_database_privilege(current_database(), 'CREATE') AS makes,
            quote_ident($1) AS name,
            quote_ident(current_database()) AS database
       FROM (SELECT) one LEFT JOIN pg_namespace n ON n.nspname = $1`,
    [schema],
  )
  const [row] = rows
  return tellOfGrants([
    row?.isThere === false && !row.makes && `CREATE ON DATABASE ${row.database}`,
    row?.fills === false && `USAGE, CREATE ON SCHEMA ${row.name}`,
  ])
}

function tellOfGrants(missing: (string | false)[]): string | undefined {
  const grants = missing.filter((grant) => grant !== false).map((grant) => `GRANT ${grant}`)
  return grants.length === 0 ? undefined : `its user lacks rights: ${grants.join("; ")}`
}
