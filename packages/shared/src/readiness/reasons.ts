import { ServerRoleError } from "../db/server-role.ts"

/**
 * Why a server takes no writes, each with its sentence for people. The names are values of a metric's
 * label; the sentences tell nothing of hosts, users or passwords, since anybody may read them.
 */
export const REASONS = {
  connection_pending: "It has not answered since this process started.",
  unreachable: "It refuses connections, breaks them off or is not there.",
  no_answer: "It does not answer in time.",
  starting: "It is starting up and loading its data (LOADING).",
  read_only: "It is set to read only.",
  replica: "It is a replica, not the primary, and is read only (READONLY).",
  no_primary: "It has no primary, or moves what the queue is in (CLUSTERDOWN, MASTERDOWN, MOVED).",
  standby_missing: "It waits for a synchronous standby, which does not confirm its commits.",
  replicas_missing: "It has too few replicas to take writes (NOREPLICAS).",
  memory_full: "It has no memory left for writes (OOM).",
  disk_failing: "It cannot write to its disk (MISCONF, or the disk is full).",
  credentials_refused: "It refuses the login or password of this process.",
  rights_missing: "It does not let this process write.",
  protected_mode: "It is in protected mode and refuses this machine (DENIED).",
  connections_exhausted: "It has no connection left for this process.",
  tables_missing: "It lacks the database or its tables; run the migration.",
  other: "It refuses writes for another reason, which is in the log.",
} as const satisfies Record<string, string>

export type Reason = keyof typeof REASONS

/** A server that answers and says that it takes no writes. */
export class NotWritableError extends Error {
  override name = "NotWritableError"
  readonly reason: Reason

  constructor(reason: Reason) {
    super(REASONS[reason])
    this.reason = reason
  }
}

// SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html), and the network's own.
const BY_CODE: Record<string, Reason> = {
  "08001": "unreachable",
  "08006": "unreachable",
  "25006": "read_only",
  "28000": "credentials_refused",
  "28P01": "credentials_refused",
  "3D000": "tables_missing",
  "3F000": "tables_missing",
  "42501": "rights_missing",
  "42P01": "tables_missing",
  "53100": "disk_failing",
  "53200": "memory_full",
  "53300": "connections_exhausted",
  "57P01": "unreachable",
  "57P02": "unreachable",
  "57P03": "starting",
  EAI_AGAIN: "unreachable",
  ECONNREFUSED: "unreachable",
  ECONNRESET: "unreachable",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  ENOTFOUND: "unreachable",
  EPIPE: "unreachable",
  ETIMEDOUT: "no_answer",
}
// The first word of Redis' error replies.
const BY_REPLY: Record<string, Reason> = {
  ASK: "no_primary",
  CLUSTERDOWN: "no_primary",
  DENIED: "protected_mode",
  LOADING: "starting",
  MASTERDOWN: "no_primary",
  MISCONF: "disk_failing",
  NOAUTH: "credentials_refused",
  NOPERM: "rights_missing",
  NOREPLICAS: "replicas_missing",
  OOM: "memory_full",
  MOVED: "no_primary",
  READONLY: "replica",
  TRYAGAIN: "no_primary",
  WRONGPASS: "credentials_refused",
}
// What the two drivers say without a code.
const BY_MESSAGE: [RegExp, Reason][] = [
  [/max number of clients reached/, "connections_exhausted"],
  [/timed out|timeout|no answer/, "no_answer"],
  [/Connection (terminated|is closed)|Stream isn't writeable/, "unreachable"],
]

/** What an error of `pg`, `ioredis` or the network says about the server. */
export function reasonNotWritable(error: unknown): Reason {
  if (error instanceof NotWritableError) return error.reason
  if (error instanceof ServerRoleError && error.isStandby) return "replica"
  if (error instanceof AggregateError && error.message !== "") {
    // Of several Sentinels, or nodes of a cluster, of which none says where the primary is.
    const reasons = error.errors.map(reasonNotWritable)
    return reasons.find((reason) => reason !== "other") ?? "other"
  }
  const { code = "", message = "" } = (error ?? {}) as { code?: string; message?: string }
  return (
    BY_CODE[code] ??
    BY_REPLY[message.split(" ", 1)[0] ?? ""] ??
    BY_MESSAGE.find(([pattern]) => pattern.test(message))?.[1] ??
    "other"
  )
}
