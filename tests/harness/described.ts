import { inject } from "vitest"
import { Description } from "./description.ts"
import type { Operation } from "./openapi.ts"

/** An answer that the API's description does not have. */
class UndescribedError extends Error {
  override name = "UndescribedError"
}

/**
 * Checks an answer of the API against its description: the status, the headers, the content type and
 * the body. Throws an `UndescribedError`. What other servers answer is let through.
 */
function check(
  description: Description,
  { method, url }: Request,
  { status, headers }: Response,
  body: string,
): void {
  const { origin, pathname } = new URL(url)
  if (others.has(origin)) return
  const places = description.placesAt(pathname)
  if (places.length === 0) return
  const isHead = method === "HEAD"
  const verb = isHead ? "get" : method.toLowerCase()
  const place = places.find((one) => one.verb === verb)
  if (place === undefined && status === 405) return
  const complaint =
    place === undefined
      ? "to a method that is not described"
      : description.complaint(place, { status, headers, body, isHead })
  if (complaint === undefined) return
  throw new UndescribedError(`${method} ${pathname} answered ${status} ${complaint}: ${body}`)
}

/** Servers that have addresses of the same names: a worker has a `/healthz` of its own. */
const others = new Set<string>()

/** Has what this server answers let through. */
export function isNotTheApi(url: string): void {
  others.add(new URL(url).origin)
}

/** Every status and code of an operation, as it is described. */
export function describedCodes(operation: Operation): string[] {
  return Object.values(operation.responses).flatMap(({ content = {} }) =>
    Object.values(content).flatMap(({ examples = {} }) => Object.keys(examples)),
  )
}

let isChecking = false

/** Makes `fetch` check every answer of the API that a test gets, from now on. */
export function checkEveryAnswer(): void {
  if (isChecking) return
  isChecking = true
  const description = new Description(inject("openapi"))
  const plainFetch = globalThis.fetch
  globalThis.fetch = async (input, init) => {
    const response = await plainFetch(input, init)
    const isStream = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false
    const request = new Request(input instanceof Request ? input.url : input, {
      method: init?.method ?? (input instanceof Request ? input.method : "GET"),
    })
    const body = isStream ? ": a stream" : await response.clone().text()
    check(description, request, response, body)
    return response
  }
}
