import { readAddress, splitUrl, userOf } from "../runtime/url-text.ts"
import { poolerOf, type SessionSettings, startOptions } from "./pooler.ts"
import { Route } from "./route.ts"
import type { RoutedConfig } from "./routed-client.ts"
import type { ServerRole } from "./server-role.ts"
import { tlsWays } from "./tls-modes.ts"

/** Of an installation whose URL names none. */
export const DEFAULT_SCHEMA = "public"

const POSTGRES_PORT = "5432"
/** Parameters that are read here; node-postgres knows them not, or gives them another meaning. */
export const READ_HERE = [
  "host",
  "port",
  "schema",
  "options",
  "target_session_attrs",
  "pooler",
  "pgbouncer",
  "ssl",
  "sslmode",
  "sslcert",
  "sslkey",
  "sslrootcert",
  "sslnegotiation",
  "uselibpqcompat",
]

/** The routes of this process, by what they depend on. */
const routes = new Map<string, Route>()

/** The parameters of a connection string. Of one that is given twice, node-postgres takes the last. */
export function parametersOf(databaseUrl: string): Map<string, string> {
  return new Map(new URLSearchParams(splitUrl(databaseUrl).query))
}

/** Whether it is behind a pooler in transaction mode, so that each transaction may have another session. */
export function isShared(databaseUrl: string): boolean {
  return poolerOf(parametersOf(databaseUrl)) === "transaction"
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

/** The hosts that a connection string names, in its authority or, as libpq takes them too, in parameters. */
export function hostsOf(databaseUrl: string): { host: string; port: string }[] {
  const parameters = parametersOf(databaseUrl)
  const ports = (parameters.get("port") ?? "").split(",")
  const portOf = (index: number) => (ports.length === 1 ? ports[0] : ports[index]) ?? ""
  const named = parameters.get("host")
  const hosts = named
    ? named.split(",").map((host) => ({ host, port: POSTGRES_PORT }))
    : splitUrl(databaseUrl)
        .hosts.split(",")
        .map((written) => readAddress(written, POSTGRES_PORT))
        .map(({ host, port }) => ({ host: decodeURIComponent(host), port }))
  return hosts.map(({ host, port }, index) => ({ host, port: portOf(index) || port }))
}

/**
 * How a connection is opened on which names without a schema are those of the URL's schema: the one
 * place that says what a connection string means. Services, commands, migration and queue open all of
 * theirs by it.
 */
export function connectionBy(databaseUrl: string): RoutedConfig {
  return connectionWith(databaseUrl, parametersOf(databaseUrl).get("schema"))
}

/** The same with another schema. The URL's own `options` stay. */
export function connectionInSchema(databaseUrl: string, schema: string): RoutedConfig {
  return connectionWith(databaseUrl, schema)
}

function connectionWith(databaseUrl: string, schema: string | undefined): RoutedConfig {
  const parameters = parametersOf(databaseUrl)
  const pooler = poolerOf(parameters)
  const settings: SessionSettings = schema ? { search_path: `"${schema}"` } : {}
  const own = parameters.get("options") ?? ""
  const options = `${own} ${startOptions(pooler, settings)}`.trim()
  return { route: routeOf(databaseUrl), pooler, settings, ...(options && { options }) }
}

function routeOf(databaseUrl: string): Route {
  const known = routes.get(databaseUrl)
  if (known !== undefined) return known
  const parameters = parametersOf(databaseUrl)
  const tls = tlsWays(parameters)
  const hosts = hostsOf(databaseUrl).map(({ host, port }) => {
    const base = { connectionString: urlOfHost(databaseUrl, host, port) }
    if (tls === undefined) return [() => base]
    // A socket of the file system is never encrypted, whatever the mode.
    if (host.startsWith("/")) return [() => ({ ...base, ssl: false })]
    const isDirect = parameters.get("sslnegotiation") === "direct"
    return tls.map((way) => () => ({
      ...base,
      ssl: way(),
      ...(isDirect && { sslnegotiation: "direct" as const }),
    }))
  })
  const role = (parameters.get("target_session_attrs") || "any") as ServerRole
  const route = new Route(hosts, role)
  routes.set(databaseUrl, route)
  return route
}

/** The connection string for one of its hosts, with nothing in it that node-postgres reads otherwise. */
function urlOfHost(databaseUrl: string, host: string, port: string): string {
  const { path, query } = splitUrl(databaseUrl)
  const user = userOf(databaseUrl)
  const parameters = new URLSearchParams(query)
  for (const name of READ_HERE) parameters.delete(name)
  parameters.set("host", host)
  parameters.set("port", port)
  return `postgresql://${user && `${user}@`}${path}?${parameters.toString()}`
}
