import { describe, expect, it } from "vitest"
import { ServerRoleError } from "../db/server-role.ts"
import { NotWritableError, type Reason, reasonNotWritable, REASONS } from "./reasons.ts"

const reply = (message: string) => new Error(message)
const coded = (code: string, message = "") => Object.assign(new Error(message), { code })

const ROWS: [Error, Reason][] = [
  [reply("READONLY You can't write against a read only replica."), "replica"],
  [reply("OOM command not allowed when used memory > 'maxmemory'."), "memory_full"],
  [reply("LOADING Redis is loading the dataset in memory"), "starting"],
  [reply("MASTERDOWN Link with MASTER is down"), "no_primary"],
  [reply("CLUSTERDOWN The cluster is down"), "no_primary"],
  [reply("MOVED 6257 127.0.0.1:7001"), "no_primary"],
  [reply("NOREPLICAS Not enough good replicas to write."), "replicas_missing"],
  [reply("MISCONF Redis is configured to save RDB snapshots"), "disk_failing"],
  [reply("WRONGPASS invalid username-password pair or user is disabled."), "credentials_refused"],
  [
    reply("NOAUTH HELLO must be called with the client already authenticated"),
    "credentials_refused",
  ],
  [reply("NOPERM this user has no permissions to run the 'set' command"), "rights_missing"],
  [reply("DENIED Redis is running in protected mode"), "protected_mode"],
  [reply("ERR max number of clients reached"), "connections_exhausted"],
  [reply("Command timed out"), "no_answer"],
  [coded("28P01", 'password authentication failed for user "x"'), "credentials_refused"],
  [coded("28000", "no pg_hba.conf entry"), "credentials_refused"],
  [coded("42501", "permission denied for table orders"), "rights_missing"],
  [coded("42P01", 'relation "users" does not exist'), "tables_missing"],
  [coded("3D000", 'database "x" does not exist'), "tables_missing"],
  [coded("53100", "No space left on device"), "disk_failing"],
  [coded("53300", "too many clients already"), "connections_exhausted"],
  [coded("57P01", "terminating connection"), "unreachable"],
  [coded("57P03", "the database system is starting up"), "starting"],
  [coded("25006", "cannot execute INSERT in a read-only transaction"), "read_only"],
  [new ServerRoleError(true), "replica"],
  [new ServerRoleError(false), "read_only"],
  [reply("Connection terminated unexpectedly"), "unreachable"],
  [reply("Connection terminated due to connection timeout"), "no_answer"],
  [reply("timeout exceeded when trying to connect"), "no_answer"],
  [reply("Query read timeout"), "no_answer"],
  // Of a name with several addresses, each refused: it has a code and no message.
  [Object.assign(new AggregateError([]), { code: "ECONNREFUSED" }), "unreachable"],
  // Of several nodes, of which none says where the queue is.
  [
    new AggregateError([reply("odd"), coded("ECONNREFUSED"), reply("x gives no answer")], "none"),
    "unreachable",
  ],
  [new AggregateError([reply("odd")], "none"), "other"],
  [coded("ENOTFOUND", "getaddrinfo ENOTFOUND redis"), "unreachable"],
  [coded("ETIMEDOUT", "connect ETIMEDOUT"), "no_answer"],
  [new NotWritableError("replica"), "replica"],
  [reply("the disk of 10.0.0.1 is on fire, says user admin"), "other"],
]

describe("the reason why a server cannot be written", () => {
  it.each(ROWS)("is read from %s: %s", (error, reason) => {
    expect(reasonNotWritable(error)).toBe(reason)
  })

  it("is a sentence, and tells nothing that an error says", () => {
    for (const sentence of Object.values(REASONS)) expect(sentence).toMatch(/^It [^:@/]+\.$/)
    expect(new Set(Object.values(REASONS)).size).toBe(Object.keys(REASONS).length)
  })
})
