import createClient, { type Client } from "openapi-fetch"
import type { components, paths } from "./generated/api.ts"

export type GofermartClient = Client<paths>
/** What the API calls its things, such as `Schemas["Order"]`. */
export type Schemas = components["schemas"]

/** A refusal where there is no answer to give it back in. */
export class RefusedError extends Error {
  override name = "RefusedError"
  readonly status: number
  /** Undefined when something other than the API has answered. */
  readonly problem: Schemas["Problem"] | undefined

  constructor({ url, status }: Response, problem: Schemas["Problem"] | undefined) {
    super(`${url} answered ${status}: ${JSON.stringify(problem)}`)
    this.status = status
    this.problem = problem
  }
}

/**
 * A client of the HTTP API whose paths, bodies, headers and answers are typed by its description.
 *
 * ```ts
 * const client = createGofermartClient("http://localhost:8080", { token })
 * const { data, error } = await client.POST("/api/user/orders", {
 *   body: "79927398713",
 *   params: { header: { prefer: "wait=10" } },
 * })
 * if (error?.code === "order_taken") …
 * else console.log(data?.status, data?.accrual)
 * ```
 *
 * A refusal is returned as `error`, whose `code` is one of those that the operation can give; only
 * what keeps an answer from coming is thrown. `token` is the `access_token` of a user, as register
 * and login give it.
 */
export function createGofermartClient(
  baseUrl: string,
  { token }: { token?: string } = {},
): GofermartClient {
  const client = createClient<paths>({
    baseUrl,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    bodySerializer: (body: unknown) => (typeof body === "string" ? body : JSON.stringify(body)),
    // Looked up at each call: whoever wraps the global function sees these requests too.
    fetch: (request) => fetch(request),
  })
  client.use({
    onRequest({ request, schemaPath }) {
      // The only body that is not JSON.
      const isUpload = schemaPath === "/api/user/orders" && request.method === "POST"
      if (isUpload) request.headers.set("content-type", "text/plain")
    },
  })
  return client
}
