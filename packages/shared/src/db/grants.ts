import { escapeIdentifier } from "pg"
import { DEFAULT_SCHEMA } from "./connection.ts"
import type { SessionSettings } from "./pooler.ts"
import { API_RIGHTS, TABLES, WORKER_RIGHTS } from "./needed-rights.ts"

/** In the order in which they are told. */
const PRIVILEGES = [
  "CONNECT",
  "TEMPORARY",
  "USAGE",
  "CREATE",
  "SELECT",
  "INSERT",
  "UPDATE",
  "DELETE",
  "EXECUTE",
] as const
const OBJECTS = [
  "DATABASE",
  "SCHEMA",
  "TABLE",
  "FUNCTION",
  "ALL TABLES IN SCHEMA",
  "ALL SEQUENCES IN SCHEMA",
  "ALL FUNCTIONS IN SCHEMA",
] as const

/** A privilege and what it is on, as GRANT names both; `name` is quoted where it must be. */
export interface Grant {
  privilege: (typeof PRIVILEGES)[number]
  on: (typeof OBJECTS)[number]
  name: string
}

/** As GRANT statements without their role: what has the same privileges is in one of them. */
export function tellGrants(grants: Grant[]): string[] {
  const names = Map.groupBy(grants, ({ on, name }) => `${on} ${name}`)
  const statements = Map.groupBy(names.values(), (same) => {
    const privileges = new Set(same.map(({ privilege }) => privilege))
    return `GRANT ${PRIVILEGES.filter((one) => privileges.has(one)).join(", ")} ON ${same[0]?.on}`
  })
  const order = ([, [first]]: [string, Grant[][]]) => OBJECTS.indexOf(first?.[0]?.on ?? "DATABASE")
  return [...statements]
    .toSorted((a, b) => order(a) - order(b))
    .map(([begin, objects]) => `${begin} ${objects.map(([first]) => first?.name).join(", ")}`)
}

/** The same, complete. */
export function grantStatements(grants: Grant[], role: string): string[] {
  return tellGrants(grants).map((grant) => `${grant} TO ${escapeIdentifier(role)};`)
}

/** Statements that give a role settings of its own in one database. */
export function settingOfRole(role: string, database: string, settings: SessionSettings): string[] {
  const begin = `ALTER ROLE ${escapeIdentifier(role)} IN DATABASE ${escapeIdentifier(database)}`
  return Object.entries(settings).map(([name, value]) => `${begin} SET ${name} = ${value};`)
}

/** What API, workers and operators' commands need together, beside the queue. */
export function serviceGrants(database: string, schema: string): Grant[] {
  const inSchema = (name: string) => `${escapeIdentifier(schema)}.${escapeIdentifier(name)}`
  const all = [API_RIGHTS, WORKER_RIGHTS]
  return [
    { privilege: "CONNECT", on: "DATABASE", name: escapeIdentifier(database) },
    { privilege: "USAGE", on: "SCHEMA", name: escapeIdentifier(schema) },
    ...TABLES.map((table): Grant => {
      return { privilege: "SELECT", on: "TABLE", name: inSchema(table) }
    }),
    ...all.flatMap(({ tables }) =>
      tables.map(([table, privilege]): Grant => {
        return { privilege, on: "TABLE", name: inSchema(table) }
      }),
    ),
    ...all.flatMap(({ functions }) =>
      functions.map((name): Grant => {
        return { privilege: "EXECUTE", on: "FUNCTION", name: inSchema(name) }
      }),
    ),
  ]
}

/** What they need for a queue in PostgreSQL. */
export function queueGrants(database: string, schema: string): Grant[] {
  const name = escapeIdentifier(schema)
  return [
    { privilege: "CONNECT", on: "DATABASE", name: escapeIdentifier(database) },
    // Many jobs are added through a temporary table.
    { privilege: "TEMPORARY", on: "DATABASE", name: escapeIdentifier(database) },
    { privilege: "USAGE", on: "SCHEMA", name },
    ...(["SELECT", "INSERT", "UPDATE", "DELETE"] as const).map((privilege): Grant => {
      return { privilege, on: "ALL TABLES IN SCHEMA", name }
    }),
    { privilege: "USAGE", on: "ALL SEQUENCES IN SCHEMA", name },
    { privilege: "EXECUTE", on: "ALL FUNCTIONS IN SCHEMA", name },
  ]
}

/** What the migration needs before it has made anything; what it makes it owns. */
export function migrationGrants(database: string, schema: string): Grant[] {
  const connect: Grant = { privilege: "CONNECT", on: "DATABASE", name: escapeIdentifier(database) }
  // Every database has that one, and no other before the migration.
  if (schema !== DEFAULT_SCHEMA) return [connect, { ...connect, privilege: "CREATE" }]
  const usage: Grant = { privilege: "USAGE", on: "SCHEMA", name: escapeIdentifier(schema) }
  return [connect, usage, { ...usage, privilege: "CREATE" }]
}
