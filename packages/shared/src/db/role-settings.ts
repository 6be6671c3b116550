import type { ClientBase } from "pg"
import { SERVICE_TIMEOUTS } from "./service-timeouts.ts"
import type { SessionSettings } from "./pooler.ts"

/** Settings with which a service bounds its sessions, in milliseconds. */
const LIMITS = ["statement_timeout", "idle_in_transaction_session_timeout"]

/**
 * What the services' role has to have set where a pooler in transaction mode is between: it passes
 * nothing on that a session sets, or sets it for others.
 */
export function roleSettings(schema: string): SessionSettings {
  const limits = LIMITS.map((name) => [name, SERVICE_TIMEOUTS.statementTimeoutMs])
  return { ...Object.fromEntries(limits), search_path: `"${schema}"` }
}

/** Which limit the role has not set, or a longer one, in a few words; undefined when all are set. */
export async function whatIsWrongInRole(client: ClientBase): Promise<string | undefined> {
  const max = SERVICE_TIMEOUTS.statementTimeoutMs
  const { rows } = await client.query<{ name: string; ms: string }>(
    `SELECT name, setting AS ms FROM pg_settings
      WHERE name = ANY ($1) AND setting::bigint NOT BETWEEN 1 AND $2 ORDER BY name DESC`,
    [LIMITS, max],
  )
  const [first] = rows
  return first === undefined
    ? undefined
    : `its role's ${first.name} is ${first.ms} ms, and must be from 1 to ${max} ms: execute what \`gofermart grants\` prints`
}
