import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const run = promisify(execFile)
const program = fileURLToPath(new URL("../../services/api/src/print-openapi.ts", import.meta.url))
const OUTPUT_BYTES_MAX = 8 * 1024 * 1024

export interface OpenApi {
  openapi: string
  info: { description: string }
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, object> }
}

export interface Operation {
  operationId: string
  parameters?: { in: string; name: string; schema: Schema }[]
  requestBody?: { content: Record<string, MediaType> }
  /** Without it the operation needs no token. */
  security?: object[]
  responses: Record<string, Described>
}

export interface Described {
  description: string
  headers?: Record<string, { schema?: Schema }>
  content?: Record<string, MediaType>
}

interface MediaType {
  schema?: Schema
  examples?: Record<string, { value: { code: string } }>
}

/** What of JSON Schema the descriptions of requests use. */
export interface Schema {
  type?: string
  properties?: Record<string, Schema>
  required?: string[]
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  pattern?: string
  enum?: unknown[]
  anyOf?: Schema[]
}

/** The description that the API gives of itself at `/openapi.json`. */
export async function describeApi(): Promise<OpenApi> {
  const { stdout } = await run(process.execPath, [program], { maxBuffer: OUTPUT_BYTES_MAX })
  return JSON.parse(stdout) as OpenApi
}
