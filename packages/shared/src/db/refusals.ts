import { connect } from "node:net"
import type { DatabaseError } from "pg"
import { ConfigError } from "../runtime/env.ts"
import { tlsRefusal } from "../runtime/tls-refusal.ts"
import { databaseOf, hostsOf } from "./connection.ts"

/** What keeps a process from its database until somebody changes something, by SQLSTATE. */
const REFUSALS: Record<string, string> = {
  "22023": "the server refuses the value of one of its parameters, such as in options",
  "28000":
    "the server does not let this user in from here, or not with this sslmode: see its pg_hba.conf",
  "28P01": "the server refuses its user name or its password",
  "3D000": "the server has no such database: create it, or name another",
  "42501": "its user lacks a right: give it what `gofermart grants` prints, or name another user",
  "42601": "the server cannot read its options",
  "42704": "the server does not know one of its parameters, such as in options",
  "55P02": "the server lets nobody change one of its parameters, such as in options",
}
/** What node-postgres, or a pooler, says without a code of its own. */
const REFUSALS_BY_MESSAGE: [RegExp, string][] = [
  [/does not support SSL/, "the server does not speak TLS: leave sslmode out, or turn it on there"],
  [/establishing an SSL connection/, "the server does not speak TLS on that port"],
  [/client password must be a/, "the server asks for a password, and it has none"],
  [
    /unsupported startup parameter/,
    "a pooler refuses a startup parameter: say which mode it is in, with pooler=session or pooler=transaction",
  ],
]
/** Where PostgreSQL looks, while a connection is opened, whether the user may use the database. */
const CONNECT_CHECK = "CheckMyDatabase"
export const INSUFFICIENT_PRIVILEGE = "42501"
/** What to do about a server whose certificate is not accepted, after why it is not. */
const TLS_ADVICE: [RegExp, string][] = [
  [/^no authority/, "name its authority in sslrootcert"],
  [/^its certificate is for another name/, "write the name that it has, or sslmode=verify-ca"],
]
/** A server that is there has answered an SSLRequest by then. */
const SSL_ANSWER_TIMEOUT_MS = 2_000
/** See https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-SSLREQUEST */
const SSL_REQUEST = Buffer.from("0000000804d2162f", "hex")
const EMPTY_LINES = "\r\n\r\n"
/** What node-postgres says when a server is silent, or says what it cannot read. */
const NO_ANSWER = /timeout|terminated|Received unexpected|Unexpected/i

/**
 * Throws a `ConfigError` when waiting cannot mend what kept a process from connecting by this URL,
 * which `setting` gives. An absent, starting or silent server is waited for.
 */
export async function refuseHopelessDatabase(
  setting: string,
  databaseUrl: string,
  error: unknown,
): Promise<void> {
  if (error instanceof ConfigError) throw error
  const reason =
    connectRefusal(error, databaseUrl) ??
    refusalOf(error) ??
    (await refusalOfStranger(databaseUrl, error))
  if (reason !== undefined) throw unusable(setting, reason, error)
}

/** A `ConfigError` about a database that does not let this process work. */
export function unusable(setting: string, reason: string, cause?: unknown): ConfigError {
  const sentence = `${setting} must be a connection string of a database that lets this process work`
  return new ConfigError(`${sentence} (${reason})`, { cause })
}

function connectRefusal(error: unknown, databaseUrl: string): string | undefined {
  const { code, routine } = (error ?? {}) as Partial<DatabaseError>
  if (code !== INSUFFICIENT_PRIVILEGE || routine !== CONNECT_CHECK) return undefined
  return `its user lacks rights: GRANT CONNECT ON DATABASE ${databaseOf(databaseUrl)}`
}

/** What of an error no wait can mend; undefined when one may. */
export function refusalOf(error: unknown): string | undefined {
  const { code = "", message = "" } = (error ?? {}) as { code?: string; message?: string }
  const known = REFUSALS[code] ?? REFUSALS_BY_MESSAGE.find(([said]) => said.test(message))?.[1]
  return known ?? adviseOnTls(tlsRefusal(error))
}

function adviseOnTls(reason: string | undefined): string | undefined {
  if (reason === undefined) return undefined
  const advice = TLS_ADVICE.find(([said]) => said.test(reason))?.[1]
  return advice === undefined ? reason : `${reason}: ${advice}`
}

/** A client of PostgreSQL waits in vain for most other servers, so they are asked in another way. */
async function refusalOfStranger(databaseUrl: string, error: unknown): Promise<string | undefined> {
  const { message = "" } = (error ?? {}) as { message?: string }
  if (!NO_ANSWER.test(message)) return undefined
  const answers = await Promise.all(
    hostsOf(databaseUrl).map(({ host, port }) => answerToSslRequest(host, Number(port))),
  )
  const isPostgres = (answer: string | undefined) =>
    answer === undefined || /^[SN]$|^E/.test(answer)
  return answers.every(isPostgres) ? undefined : "what answers there is no PostgreSQL"
}

/** The first bytes that come; undefined when none do, or there is nobody. */
function answerToSslRequest(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = host.startsWith("/") ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host)
    const end = (answer?: string) => {
      clearTimeout(nudge)
      socket.destroy()
      resolve(answer)
    }
    // Servers of other kinds may wait for the end of a line.
    const nudge = setTimeout(() => socket.write(EMPTY_LINES), SSL_ANSWER_TIMEOUT_MS)
    socket.setTimeout(2 * SSL_ANSWER_TIMEOUT_MS, () => end())
    socket.on("connect", () => socket.write(SSL_REQUEST))
    socket.on("data", (bytes: Buffer) => end(bytes.toString("latin1")))
    socket.on("error", () => end())
    socket.on("close", () => end())
  })
}
