import type { OpenApi, Schema } from "../harness/openapi.ts"

/** What requests are made for: an operation of the API, or a route of the operators' listener. */
export interface Aim {
  /** The operation's id, or the route. */
  name: string
  listener: "api" | "operators"
  method: string
  /** With `{name}` for what is put in. */
  path: string
  parameters: Parameter[]
  body?: { type: string; schema: Schema }
  needsToken: boolean
}

export interface Parameter {
  in: "path" | "query" | "header"
  name: string
  schema: Schema
}

/** Every operation of the description. */
export function aimsOf({ paths }: OpenApi): Aim[] {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([verb, operation]): Aim => {
      const [body] = Object.entries(operation.requestBody?.content ?? {})
      return {
        name: operation.operationId,
        listener: "api",
        method: verb.toUpperCase(),
        path,
        parameters: (operation.parameters ?? []) as Parameter[],
        ...(body === undefined ? {} : { body: { type: body[0], schema: body[1].schema ?? {} } }),
        needsToken: operation.security !== undefined,
      }
    }),
  )
}
