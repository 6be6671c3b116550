import { splitUrl } from "../runtime/url-text.ts"

/** Of an installation whose URL names none. */
export const DEFAULT_SCHEMA = "public"

/** The parameters of a connection string. Of one that is given twice, node-postgres takes the last. */
export function parametersOf(databaseUrl: string): Map<string, string> {
  return new Map(new URLSearchParams(splitUrl(databaseUrl).query))
}

/** The name of the database. */
export function databaseOf(databaseUrl: string): string {
  return decodeURIComponent(splitUrl(databaseUrl).path.slice(1))
}

/** The schema with everything of the installation but its queue. */
export function schemaOf(databaseUrl: string): string {
  return parametersOf(databaseUrl).get("schema") || DEFAULT_SCHEMA
}

/** The same connection string with a password, which it must not have. */
export function withPassword(databaseUrl: string, password: string): string {
  const separator = databaseUrl.includes("?") ? "&" : "?"
  return `${databaseUrl}${separator}password=${encodeURIComponent(password)}`
}

/** How node-postgres opens a connection on which names without a schema are those of the URL's schema. */
export function connectionBy(databaseUrl: string): { connectionString: string; options?: string } {
  const schema = parametersOf(databaseUrl).get("schema")
  return schema ? connectionInSchema(databaseUrl, schema) : { connectionString: databaseUrl }
}

/**
 * The same with another schema. The URL's own `options` stay: node-postgres would take them instead of
 * ours.
 */
export function connectionInSchema(
  databaseUrl: string,
  schema: string,
): { connectionString: string; options: string } {
  const [address = ""] = databaseUrl.split("?", 1)
  const parameters = new URLSearchParams(splitUrl(databaseUrl).query)
  const options = [...parameters.getAll("options"), `-c search_path="${schema}"`].join(" ")
  parameters.delete("options")
  return { connectionString: `${address}?${parameters.toString()}`, options: options.trim() }
}
