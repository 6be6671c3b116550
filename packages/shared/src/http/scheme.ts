import type { FastifyRequest } from "fastify"

/** The scheme a client used, as a trusted proxy says, some in upper case (RFC 3986, section 3.1). */
export function schemeOf({ protocol }: FastifyRequest): string {
  return protocol.toLowerCase()
}
