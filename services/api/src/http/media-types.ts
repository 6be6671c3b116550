import type { FastifyRequest } from "fastify"
import Negotiator from "negotiator"
import { membersOf, readAccepted } from "./header-list.ts"

/**
 * The media type, of those that there are, the best first, in which a request wants its answer. Of the
 * parameters that it names only `q` counts: there is one form of each type.
 */
export function mediaTypeFor(
  { headers }: Pick<FastifyRequest, "headers">,
  types: string[],
): string | undefined {
  const accepted = readAccepted(headers.accept)
  if (accepted === undefined) return types[0]
  const accept = membersOf(accepted).map(withoutParameters).join(",")
  return new Negotiator({ headers: { accept } }).mediaType(types)
}

function withoutParameters(member: string): string {
  const bare = member.replaceAll(/"(?:[^"\\]|\\.?)*(?:"|$)/g, "")
  const [type = ""] = bare.split(";", 1)
  const q = /;\s*q=([\d.]+)\s*(?:;|$)/i.exec(bare)?.[1]
  return q === undefined ? type.trim() : `${type.trim()};q=${q}`
}
