/** What may stand between us and a PostgreSQL server. */
export const POOLERS = ["none", "session", "transaction"] as const
export type Pooler = (typeof POOLERS)[number]

/** Settings of a session: by their names, as PostgreSQL takes their values. */
export type SessionSettings = Record<string, string | number>

/**
 * What the parameters of a connection string say is between. `pgbouncer=true` is what Prisma's users know.
 * See https://www.pgbouncer.org/features.html for what holds in each mode.
 */
export function poolerOf(parameters: Map<string, string>): Pooler {
  const named = POOLERS.find((name) => name === parameters.get("pooler"))
  return named ?? (parameters.get("pgbouncer") === "true" ? "transaction" : "none")
}

/**
 * The statements by which a connection sets its session up; none where the start of the connection does
 * so, and behind a pooler in transaction mode: what is set there, others get. There it is the role's.
 */
export function settingStatements(pooler: Pooler, settings: SessionSettings): string {
  if (pooler !== "session") return ""
  return Object.entries(settings)
    .map(([name, value]) => `SET ${name} = ${value}`)
    .join("; ")
}

/** The same as the `options` with which a connection starts; a pooler refuses them. */
export function startOptions(pooler: Pooler, settings: SessionSettings): string {
  if (pooler !== "none") return ""
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(" ")
}
