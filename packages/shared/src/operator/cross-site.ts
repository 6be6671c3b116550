import type { FastifyRequest } from "fastify"
import { schemeOf } from "../http/scheme.ts"

const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"]
/** `none`: the person did it, not a page. */
const OWN_SITES = ["same-origin", "none"]

const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]", "::1"]

/**
 * Whether the browser was led here under another name than this machine's own, as a page does whose
 * name was made to point here (DNS rebinding): to the browser it is then the same site.
 */
export function isForeignName(request: FastifyRequest): boolean {
  return !LOOPBACK_NAMES.includes(request.hostname)
}

/**
 * Whether another site's page makes a browser send this request, with the credentials that the
 * browser adds by itself. A browser says so (https://www.w3.org/TR/fetch-metadata/); an older one
 * names at least the page's origin. What is no browser says nothing and has only its own
 * credentials.
 */
export function isCrossSite(request: FastifyRequest): boolean {
  if (SAFE_METHODS.includes(request.method)) return false
  const { "sec-fetch-site": site, origin } = request.headers
  if (site !== undefined) return !OWN_SITES.includes(site)
  return origin !== undefined && origin !== `${schemeOf(request)}://${request.host}`
}
