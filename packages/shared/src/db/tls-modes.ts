import { readFileSync } from "node:fs"
import { type ConnectionOptions, getCACertificates } from "node:tls"

/** libpq's, and the one that node-postgres' users know for `require` without a look at `sslrootcert`. */
export const SSL_MODES = [
  "disable",
  "allow",
  "prefer",
  "require",
  "verify-ca",
  "verify-full",
  "no-verify",
] as const
export type SslMode = (typeof SSL_MODES)[number]

/** The value of `sslrootcert` for the authorities that the operating system trusts. */
export const SYSTEM_AUTHORITIES = "system"

/** How a connection is protected. `chain`: by one of the authorities, whatever the certificate's name is. */
type Protection = "none" | "encrypted" | "chain" | "chain and name"

/** What node-postgres takes for `ssl`, made for each connection. */
export type Tls = () => false | ConnectionOptions

/**
 * The mode of a URL with these parameters; undefined when it says nothing of TLS.
 *
 * Who names an authority or a certificate means to have it checked: node-postgres did so, and libpq would
 * quietly not.
 */
export function sslModeOf(parameters: Map<string, string>): SslMode | undefined {
  const mode = parameters.get("sslmode")
  if (mode) return mode as SslMode
  const ssl = parameters.get("ssl")
  if (["sslrootcert", "sslcert", "sslkey"].some((name) => parameters.get(name))) {
    return "verify-full"
  }
  if (ssl === "no-verify") return ssl
  if (ssl === "true" || ssl === "1" || parameters.get("sslnegotiation") === "direct") {
    return "verify-full"
  }
  return ssl === "0" ? "disable" : undefined
}

/** The ways in which a host is tried, one after the other; undefined to leave it to node-postgres. */
export function tlsWays(parameters: Map<string, string>): Tls[] | undefined {
  const mode = sslModeOf(parameters)
  if (mode === undefined) return undefined
  const hasAuthority = Boolean(parameters.get("sslrootcert"))
  return protections(mode, hasAuthority).map((protection) => tlsOf(protection, parameters))
}

/** See https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION */
function protections(mode: SslMode, hasAuthority: boolean): Protection[] {
  switch (mode) {
    case "disable":
      return ["none"]
    case "allow":
      return ["none", "encrypted"]
    case "prefer":
      return ["encrypted", "none"]
    case "require":
      return [hasAuthority ? "chain" : "encrypted"]
    case "no-verify":
      return ["encrypted"]
    case "verify-ca":
      return ["chain"]
    case "verify-full":
      return ["chain and name"]
  }
}

/** The files are read for each connection, so that they can be replaced; one that is gone is as it was. */
function tlsOf(protection: Protection, parameters: Map<string, string>): Tls {
  if (protection === "none") return () => false
  const root = parameters.get("sslrootcert")
  const files = {
    ca: root === SYSTEM_AUTHORITIES ? undefined : root,
    cert: parameters.get("sslcert"),
    key: parameters.get("sslkey"),
  }
  const contents: ConnectionOptions = {}
  return () => {
    for (const [name, path] of Object.entries(files)) {
      if (path)
        Object.assign(contents, { [name]: read(path) ?? contents[name as keyof typeof files] })
    }
    return {
      ...(root === SYSTEM_AUTHORITIES && { ca: systemAuthorities() }),
      ...contents,
      ...(protection === "encrypted" && { rejectUnauthorized: false }),
      ...(protection === "chain" && { checkServerIdentity: () => undefined }),
    }
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return undefined
  }
}

function systemAuthorities(): string[] {
  return [...getCACertificates("system"), ...getCACertificates("extra")]
}
