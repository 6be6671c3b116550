import type { ClientBase } from "pg"

/** The first of `values` is what others are told to set. */
interface NeededSetting {
  name: string
  values: [string, ...string[]]
  why: string
}

/** What our statements depend on. Everything else a server, a database or a role may set as it likes. */
const NEEDED: NeededSetting[] = [
  {
    name: "server_encoding",
    values: ["UTF8"],
    why: "other encodings cannot keep every text; make a database with ENCODING 'UTF8'",
  },
  {
    name: "array_nulls",
    values: ["on"],
    why: "statements send lists with NULL in them",
  },
  {
    name: "default_transaction_isolation",
    // To PostgreSQL they are the same.
    values: ["read committed", "read uncommitted"],
    why: "at other levels requests that come at the same time fail",
  },
  {
    name: "session_replication_role",
    values: ["origin", "local"],
    why: "otherwise foreign keys are not checked",
  },
]

/**
 * What of a session, as its URL, server, database or role sets it, our statements cannot work with, in
 * a few words; undefined when there is nothing.
 */
export async function whatIsWrongInSession(
  client: ClientBase,
  schema: string,
): Promise<string | undefined> {
  return (await whatIsWrongInSearchPath(client, schema)) ?? (await whatIsWrongInSettings(client))
}

/**
 * What would have names without a schema mean another one; undefined when nothing does. A role or a
 * database can have a search path of its own.
 */
async function whatIsWrongInSearchPath(
  client: ClientBase,
  schema: string,
): Promise<string | undefined> {
  const { rows } = await client.query<{ current: string | null; isUsable: boolean | null }>(
    `SELECT current_schema() AS current,
            (SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = $1) AS "isUsable"`,
    [schema],
  )
  const [row] = rows
  // Nobody has made the schema yet, or given a right to it: then a path to it leads nowhere.
  const leadsThere = row?.current === schema || (row?.current === null && row.isUsable !== true)
  return leadsThere
    ? undefined
    : `its search_path does not begin with ${schema}: name the right schema with schema= in the URL; behind a pooler in transaction mode set it on the role, as \`gofermart grants\` prints`
}

async function whatIsWrongInSettings(client: ClientBase): Promise<string | undefined> {
  const { rows } = await client.query<{ value: string }>(
    `SELECT current_setting(name) AS value
       FROM unnest($1::text[]) WITH ORDINALITY AS needed (name, position) ORDER BY position`,
    [NEEDED.map(({ name }) => name)],
  )
  for (const [index, { name, values, why }] of NEEDED.entries()) {
    const value = rows[index]?.value ?? ""
    if (!values.includes(value)) return `its ${name} is ${value}, and must be ${values[0]}: ${why}`
  }
  return undefined
}
