import { Ajv2020 } from "ajv/dist/2020.js"
import formats from "ajv-formats"
import { inject } from "vitest"
import type { OpenApi, Operation } from "./openapi.ts"

/** An answer that the API's description does not have. */
class UndescribedError extends Error {
  override name = "UndescribedError"
}

/** Uploads answer with a body only when the client is to wait for the result. */
const BODY_OPTIONAL = ["uploadOrder"]

/**
 * Checks an answer of the API against its description: the status, the content type and the body.
 * Throws an `UndescribedError`. What other servers answer is let through.
 */
class Description {
  readonly #openapi: OpenApi
  readonly #ajv = new Ajv2020({ strict: false })

  constructor(openapi: OpenApi) {
    this.#openapi = openapi
    formats.default(this.#ajv)
    this.#ajv.addSchema(openapi, "openapi")
  }

  check(method: string, url: string, response: Response, body: string): void {
    const { pathname } = new URL(url)
    const path = Object.keys(this.#openapi.paths).find((template) =>
      new RegExp(`^${template.replaceAll(/\{\w+\}/g, "[^/]+")}$`).test(pathname),
    )
    if (path === undefined) return
    const verb = method.toLowerCase() === "head" ? "get" : method.toLowerCase()
    const operation = this.#openapi.paths[path]?.[verb]
    const complain = (what: string): never => {
      throw new UndescribedError(`${method} ${path} answered ${response.status} ${what}: ${body}`)
    }
    if (operation === undefined) {
      if (response.status !== 405) complain("to a method that is not described")
      return
    }
    const described = operation.responses[response.status] ?? complain("which is not described")
    // The headers of other answers depend on the case.
    const headers = [429, 503].includes(response.status) ? Object.keys(described.headers ?? {}) : []
    const missing = headers.filter((name) => !response.headers.has(name))
    if (missing.length > 0) complain(`without ${missing.join(", ")}`)
    if (body === "") {
      const isRight =
        described.content === undefined || BODY_OPTIONAL.includes(operation.operationId)
      if (method !== "HEAD" && !isRight) complain("without its body")
      return
    }
    const type = response.headers.get("content-type")?.split(";", 1)[0] ?? ""
    if (described.content?.[type] === undefined) complain(`as ${type}, which is not described`)
    if (!type.endsWith("json")) return
    const pointer = [
      "paths",
      path,
      verb,
      "responses",
      `${response.status}`,
      "content",
      type,
      "schema",
    ]
    const validate = this.#ajv.getSchema(`openapi#/${pointer.map(escape).join("/")}`)
    if (validate?.(JSON.parse(body)) !== true) {
      complain(`unlike its schema (${this.#ajv.errorsText(validate?.errors)})`)
    }
  }
}

function escape(part: string): string {
  return encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"))
}

/** Every status and code of an operation, as it is described. */
export function describedCodes(operation: Operation): string[] {
  return Object.values(operation.responses).flatMap(({ content = {} }) =>
    Object.values(content).flatMap(({ examples = {} }) => Object.keys(examples)),
  )
}

/** Makes `fetch` check every answer of the API that a test gets. */
export function checkEveryAnswer(): void {
  const description = new Description(inject("openapi"))
  const plainFetch = globalThis.fetch
  globalThis.fetch = async (input, init) => {
    const response = await plainFetch(input, init)
    const isStream = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false
    const request = new Request(input instanceof Request ? input.url : input, {
      method: init?.method ?? (input instanceof Request ? input.method : "GET"),
    })
    const body = isStream ? ": a stream" : await response.clone().text()
    description.check(request.method, request.url, response, body)
    return response
  }
}
