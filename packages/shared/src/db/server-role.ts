import type { ClientBase } from "pg"

/** libpq's `target_session_attrs`, as far as a system that writes can work with it. */
export const SERVER_ROLES = ["read-write", "primary", "any"] as const
export type ServerRole = (typeof SERVER_ROLES)[number]

/** SQLSTATE of a statement that a standby, or a session that is read only, refuses. */
export const READ_ONLY = "25006"

/** A server that lets us in and is not the one that was asked for. */
export class ServerRoleError extends Error {
  override name = "ServerRoleError"
  readonly code = READ_ONLY
  readonly isStandby: boolean

  constructor(isStandby: boolean) {
    super(isStandby ? "the server is a standby" : "the server is read only")
    this.isStandby = isStandby
  }
}

interface Answer {
  isStandby: boolean
  isReadOnly: boolean
}

/** Throws a `ServerRoleError` when the server is none of that role. */
export async function expectRole(
  client: ClientBase,
  role: ServerRole,
  answerTimeoutMs: number,
): Promise<void> {
  if (role === "any") return
  const question = {
    text: `SELECT pg_is_in_recovery() AS "isStandby",
                  current_setting('transaction_read_only') = 'on' AS "isReadOnly"`,
    query_timeout: answerTimeoutMs,
  }
  const { rows } = await client.query<Answer>(question)
  const [{ isStandby, isReadOnly } = { isStandby: true, isReadOnly: true }] = rows
  if (isStandby || (role === "read-write" && isReadOnly)) throw new ServerRoleError(isStandby)
}
