import { isHost, isPort, splitUrl, userOf } from "../runtime/url-text.ts"
import { connectionBy, hostsOf, parametersOf } from "./connection.ts"
import { RoutedClient } from "./routed-client.ts"
import { SERVER_ROLES } from "./server-role.ts"

/** What is wrong with where a connection string leads, in a few words; undefined when nothing is. */
export function whatIsWrongInHosts(text: string): string | undefined {
  const parameters = parametersOf(text)
  const hosts = hostsOf(text)
  const ports = (parameters.get("port") ?? "").split(",")
  if (hosts.length > 1 && userOf(text).includes("@")) {
    return "it has an @ that is to be written as %40"
  }
  // What a URL does not name, the client takes from PGHOST and the like, or makes up.
  if (hosts.some(({ host }) => host === "")) return "it names no host"
  if (!hosts.every(({ host }) => host.startsWith("/") || isHost(host))) {
    return "its host is not a name or an address"
  }
  if (!hosts.every(({ port }) => isPort(port))) return "its port is not a number from 1 to 65535"
  if (ports.length > 1 && ports.length !== hosts.length) return "it has not a port for each host"
  const role = parameters.get("target_session_attrs")
  if (role && !SERVER_ROLES.some((known) => known === role)) {
    return `its target_session_attrs is none of ${SERVER_ROLES.join(", ")}`
  }
  if (hosts.length > 1 && !role) {
    return "it names several hosts, of which one takes writes: add target_session_attrs=read-write"
  }
  return splitUrl(text).path.slice(1) === "" ? "it names no database" : whatPgRefuses(text)
}

/** The client parses it as it does when it connects, but does not connect. */
function whatPgRefuses(text: string): string | undefined {
  try {
    void new RoutedClient(connectionBy(text))
    return undefined
  } catch {
    return "the PostgreSQL client cannot read it"
  }
}
