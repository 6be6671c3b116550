import { textSetting } from "../runtime/env.ts"
import { isKeyOf, whatIsWrongInPemFile } from "../runtime/pem-file.ts"
import { setting } from "../runtime/setting.ts"
import { splitUrl, whatIsWrongInUrl } from "../runtime/url-text.ts"
import { parametersOf, READ_HERE } from "./connection.ts"
import { whatIsWrongInHosts } from "./database-hosts.ts"
import { POOLERS, poolerOf } from "./pooler.ts"
import { SSL_MODES, sslModeOf, SYSTEM_AUTHORITIES } from "./tls-modes.ts"

const SCHEME = /^postgres(ql)?:\/\//
const SSL_NEGOTIATIONS = ["postgres", "direct"]
/** What node-postgres takes for "yes" and "no". */
const SSL_SWITCHES = ["true", "1", "0", "no-verify"]
/** Modes with which a server is spoken to in the clear, if need be. */
const NOT_ALWAYS_TLS = ["disable", "allow", "prefer"]
/** Parameters whose values are milliseconds; an empty one keeps it from being sent. */
const TIMEOUTS = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"]
/** What a URL may say in parameters: what node-postgres understands, and what is read here. */
const PARAMETERS = [
  ...READ_HERE,
  "user",
  "password",
  "application_name",
  "fallback_application_name",
  ...TIMEOUTS,
]
/** What others take, and why it is of no use here. */
const REFUSED: Record<string, string> = {
  load_balance_hosts:
    "its load_balance_hosts spreads connections over servers, and only one takes writes: name them in order, with target_session_attrs=read-write",
  replication: "it is for a stream of changes, which runs no statements",
  query_timeout: "its query_timeout is not for others to set",
}
/**
 * BullMQ takes no other names; the queue's schema is one of them, with `_queue` at its end. PostgreSQL
 * keeps those with `pg_` to itself.
 */
const SCHEMA = /^(?!pg_|information_schema$|bullmq$)[A-Za-z_][A-Za-z0-9_$]{0,56}$/
const QUEUE_SCHEMA = /_queue$/

/** The database both services share; the published contract's name for it works too. */
export const databaseUrl = setting(
  textSetting(
    { description: "a connection string postgresql://user:password@host:port/database" },
    whatIsWrongInDatabaseUrl,
  ),
  { purpose: "the database; ?schema=… names another schema than public", secret: true },
)

/**
 * What keeps node-postgres from connecting by it, in a few words without any of it; undefined when
 * nothing does that can be known without connecting. Reads the files that it names.
 */
export function whatIsWrongInDatabaseUrl(text: string): string | undefined {
  return (
    whatIsWrongInUrl(text, SCHEME, { mayNameSeveralHosts: true }) ??
    whatIsWrongInParameters(text) ??
    whatIsWrongInHosts(text)
  )
}

function whatIsWrongInParameters(text: string): string | undefined {
  const parameters = parametersOf(text)
  const names = [...new URLSearchParams(splitUrl(text).query).keys()]
  if (names.length > parameters.size) return "it has a parameter twice"
  const refused = names.find((name) => Object.hasOwn(REFUSED, name))
  if (refused !== undefined) return REFUSED[refused]
  if (names.some((name) => !PARAMETERS.includes(name))) {
    return `it has a parameter that is none of ${PARAMETERS.join(", ")}`
  }
  const schema = parameters.get("schema")
  if (schema && (!SCHEMA.test(schema) || QUEUE_SCHEMA.test(schema))) {
    return "its schema is not a name of letters, digits and _, of at most 57, that does not end in _queue"
  }
  const options = parameters.get("options") ?? ""
  // As the server reads them: it takes a backslash away, and - for _ in a name.
  if (/search[-_]path/i.test(options.replaceAll("\\", ""))) {
    return "its options set search_path: name the schema with schema="
  }
  if (/(?<!\\)(\\\\)*\\$/.test(options)) return "its options end with a single backslash"
  const badTimeout = TIMEOUTS.find((name) => !/^[0-9]*$/.test(parameters.get(name) ?? ""))
  if (badTimeout !== undefined) return `its ${badTimeout} is not a number of milliseconds`
  return (
    whatIsWrongInPooler(parameters) ??
    whatIsWrongInTls(parameters) ??
    whatIsWrongInFiles(parameters)
  )
}

function whatIsWrongInPooler(parameters: Map<string, string>): string | undefined {
  const named = parameters.get("pooler")
  const isPgBouncer = parameters.get("pgbouncer")
  if (named && !POOLERS.some((name) => name === named)) {
    return `its pooler is none of ${POOLERS.join(", ")}`
  }
  if (isPgBouncer && isPgBouncer !== "true" && isPgBouncer !== "false") {
    return "its pgbouncer is neither true nor false: write pooler=session or pooler=transaction"
  }
  if (named && isPgBouncer) return "it has pgbouncer beside pooler, which says more"
  if (poolerOf(parameters) === "none") return undefined
  const refused = ["options", ...TIMEOUTS].find((name) => parameters.get(name))
  return refused === undefined
    ? undefined
    : `a pooler refuses its ${refused}: leave it out, and set what it sets on the role`
}

function whatIsWrongInTls(parameters: Map<string, string>): string | undefined {
  const isOneOf = (name: string, values: readonly string[]) =>
    values.includes(parameters.get(name) || (values[0] ?? ""))
  if (!isOneOf("sslmode", SSL_MODES)) return `its sslmode is none of ${SSL_MODES.join(", ")}`
  if (!isOneOf("sslnegotiation", SSL_NEGOTIATIONS)) {
    return `its sslnegotiation is none of ${SSL_NEGOTIATIONS.join(", ")}`
  }
  if (!isOneOf("ssl", SSL_SWITCHES)) return `its ssl is none of ${SSL_SWITCHES.join(", ")}`
  if (!isOneOf("uselibpqcompat", ["true"])) {
    return "its uselibpqcompat is not true: sslmode means here what it means to libpq"
  }
  const mode = sslModeOf(parameters)
  const root = parameters.get("sslrootcert")
  if (parameters.get("sslnegotiation") === "direct" && NOT_ALWAYS_TLS.includes(mode ?? "")) {
    return "its sslnegotiation=direct begins with TLS: write sslmode=require, verify-ca or verify-full"
  }
  if (mode === "verify-ca" && !root) {
    return "its sslmode=verify-ca trusts any name that a public authority has signed: name your own in sslrootcert, or write sslmode=verify-full"
  }
  if (root === SYSTEM_AUTHORITIES && mode !== "verify-full") {
    return "its sslrootcert=system goes with sslmode=verify-full alone: a public authority signs for anybody"
  }
  if (root && (mode === "allow" || mode === "prefer")) {
    return `its sslrootcert is not looked at with sslmode=${mode}: write sslmode=verify-full or verify-ca`
  }
  return undefined
}

function whatIsWrongInFiles(parameters: Map<string, string>): string | undefined {
  const files = ["sslrootcert", "sslcert", "sslkey"].filter(
    (name) => parameters.get(name) && parameters.get(name) !== SYSTEM_AUTHORITIES,
  )
  for (const name of files) {
    const holds = name === "sslkey" ? "private key" : "certificate"
    const wrong = whatIsWrongInPemFile(parameters.get(name) ?? "", holds)
    if (wrong !== undefined) return `the file of its ${name} ${wrong}`
  }
  const [cert, key] = [parameters.get("sslcert"), parameters.get("sslkey")]
  if (!cert && !key) return undefined
  if (!cert || !key) return "of sslcert and sslkey it has only one"
  return isKeyOf(key, cert) ? undefined : "its sslkey is not the key of its sslcert"
}
