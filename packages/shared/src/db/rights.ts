import type { ClientBase } from "pg"
import { type Grant, tellGrants } from "./grants.ts"
import { type NeededRights, TABLES } from "./needed-rights.ts"

/**
 * What keeps a user from working in the schema of an installation, in a few words; undefined when
 * nothing does, also before the migrations. Rejects when there is no such schema.
 */
export async function whatLacksInSchema(
  client: ClientBase,
  schema: string,
  { tables, functions }: NeededRights,
): Promise<string | undefined> {
  const needed = [...TABLES.map((table) => [table, "SELECT"] as const), ...tables]
  const { rows } = await client.query<Grant & { isLacking: boolean }>(
    `WITH here AS (SELECT oid, nspname FROM pg_namespace WHERE nspname = $1)
     SELECT 'USAGE' AS privilege, 'SCHEMA' AS on, quote_ident(nspname) AS name,
            NOT has_schema_privilege(oid, 'USAGE') AS "isLacking"
       FROM here
     UNION ALL
     SELECT privilege, 'TABLE', format('%I.%I', nspname, relname), true
       FROM here JOIN pg_class c ON relnamespace = here.oid
            JOIN unnest($2::text[], $3::text[]) AS needed (name, privilege) ON relname = name
      WHERE NOT has_table_privilege(c.oid, privilege)
     UNION ALL
     SELECT 'EXECUTE', 'FUNCTION', format('%I.%I', nspname, proname), true
       FROM here JOIN pg_proc p ON pronamespace = here.oid
      WHERE proname = ANY ($4) AND NOT has_function_privilege(p.oid, 'EXECUTE')
     ORDER BY name`,
    [schema, needed.map(([table]) => table), needed.map(([, right]) => right), functions],
  )
  if (rows.length === 0) throw new Error(`there is no schema ${schema}: run the migration`)
  return tellLack(rows.filter(({ isLacking }) => isLacking))
}

/** The same for the queue's schema; before the migration that it is not there is no lack. */
export async function whatLacksInQueue(
  client: ClientBase,
  schema: string,
): Promise<string | undefined> {
  const { rows } = await client.query<Grant>(
    `WITH here AS (SELECT oid, quote_ident(nspname) AS name FROM pg_namespace WHERE nspname = $1)
     SELECT 'USAGE' AS privilege, 'SCHEMA' AS on, name FROM here WHERE NOT has_schema_privilege(oid, 'USAGE')
     UNION ALL
     SELECT privilege, 'ALL TABLES IN SCHEMA', name
       FROM here, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
      WHERE EXISTS (SELECT FROM pg_class c WHERE relnamespace = here.oid AND relkind IN ('r', 'p')
                      AND NOT has_table_privilege(c.oid, privilege))
     UNION ALL
     SELECT 'USAGE', 'ALL SEQUENCES IN SCHEMA', name FROM here
      WHERE EXISTS (SELECT FROM pg_class c WHERE relnamespace = here.oid
                      -- In this order: it fails on what is no sequence.
                      AND CASE relkind WHEN 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE') END)
     UNION ALL
     SELECT 'EXECUTE', 'ALL FUNCTIONS IN SCHEMA', name FROM here
      WHERE EXISTS (SELECT FROM pg_proc p WHERE pronamespace = here.oid
                      AND NOT has_function_privilege(p.oid, 'EXECUTE'))
     UNION ALL
     -- Many jobs are added through a temporary table.
     SELECT 'TEMPORARY', 'DATABASE', quote_ident(current_database()) FROM here
      WHERE NOT has_database_privilege(current_database(), 'TEMPORARY')`,
    [schema],
  )
  return tellLack(rows)
}

/** What keeps a user from making a schema, or what is to be in it; undefined when nothing does. */
export async function whatLacksToMigrate(
  client: ClientBase,
  schema: string,
): Promise<string | undefined> {
  const { rows } = await client.query<Grant>(
    `SELECT 'CREATE' AS privilege, 'DATABASE' AS on, quote_ident(current_database()) AS name
      WHERE NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)
        AND NOT has_database_privilege(current_database(), 'CREATE')
     UNION ALL
     SELECT privilege, 'SCHEMA', quote_ident(nspname)
       FROM pg_namespace n, unnest(ARRAY['USAGE', 'CREATE']) AS privilege
      WHERE nspname = $1 AND NOT has_schema_privilege(n.oid, privilege)`,
    [schema],
  )
  return tellLack(rows)
}

function tellLack(grants: Grant[]): string | undefined {
  return grants.length === 0 ? undefined : `its user lacks rights: ${tellGrants(grants).join("; ")}`
}
