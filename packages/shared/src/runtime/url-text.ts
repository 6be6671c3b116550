import { isIPv6 } from "node:net"

/** How a user name or a password is written in a URL. */
const ENCODING =
  "in a user name or a password, write % as %25, / as %2F, ? as %3F, # as %23, @ as %40"

/** What is wrong with a list of hosts. */
export const SEVERAL_HOSTS =
  "it names several hosts; name one, behind which the primary always is, such as a proxy"

const PORT_MAX = 65_535

/**
 * What is wrong with the text of a connection string before anything parses it, in a few words;
 * undefined when nothing is. Parsers disagree about such texts, or give them a meaning that nobody
 * had in mind: the rest of a password as the database's name, say.
 */
export function whatIsWrongInUrl(
  text: string,
  scheme: RegExp,
  { mayNameSeveralHosts = false }: { mayNameSeveralHosts?: boolean } = {},
): string | undefined {
  const rest = text.replace(scheme, "")
  if (rest === text) return "it does not begin so"
  // oxlint-disable-next-line no-control-regex
  if (/[\s\u0000-\u001f\u007f]/.test(rest)) {
    return "it has white space or a control character in it; write a space as %20"
  }
  if (/%(?![0-9a-f]{2})/i.test(rest)) {
    return `it has a % without two hexadecimal digits after it; ${ENCODING}`
  }
  const { hosts, path, query } = splitUrl(text)
  if (rest.includes("#") || path.includes("@") || (path === "" && query.includes("@"))) {
    return `it has a character that must be written otherwise; ${ENCODING}`
  }
  if (hosts.includes(",") && !mayNameSeveralHosts) return SEVERAL_HOSTS
  const port = hosts.includes(",") ? "" : (/:([^:\]]*)$/.exec(hosts)?.[1] ?? "")
  if (port !== "" && !isPort(port)) return `its port is not a number from 1 to ${PORT_MAX}`
  return areDecodable(rest) ? undefined : "what is written with % in it is not UTF-8, or is a NUL"
}

/** The parts of a connection string as they are written, without the user. */
export function splitUrl(text: string): { hosts: string; path: string; query: string } {
  const [, authority = "", path = "", query = ""] =
    /^[^/]*\/\/([^/?#]*)([^?#]*)\??(.*)$/.exec(text) ?? []
  return { hosts: authority.slice(authority.lastIndexOf("@") + 1), path, query }
}

/** The user, and the password after a colon, as they are written; empty when there is none. */
export function userOf(text: string): string {
  const [, user = ""] = /^[^/]*\/\/([^/?#]*)@/.exec(text) ?? []
  return user
}

/** One host of a connection string, of which the port may be left out. An IPv6 address is in brackets. */
export function readAddress(written: string, defaultPort: string): { host: string; port: string } {
  const [, host = "", port = ""] = /^(\[.*\]|[^:]*)(?::(.*))?$/.exec(written) ?? []
  const bracketed = /^\[(.*)\]$/.exec(host)?.[1]
  return {
    host: bracketed !== undefined && isIPv6(bracketed) && !host.includes("%") ? bracketed : host,
    port: port === "" ? defaultPort : port,
  }
}

/** Whether it is the number of a port that one can connect to. */
export function isPort(text: string): boolean {
  return /^[0-9]{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= PORT_MAX
}

/** Whether it may be the name or the address of one host. */
export function isHost(text: string): boolean {
  return /^[\p{L}\p{N}._:%-]+$/u.test(text)
}

function areDecodable(text: string): boolean {
  try {
    return !decodeURIComponent(text).includes("\0")
  } catch {
    return false
  }
}
