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
  responses: Record<string, Described>
}

interface Described {
  description: string
  headers?: Record<string, object>
  content?: Record<string, MediaType>
}

interface MediaType {
  schema?: object
  examples?: Record<string, { value: { code: string } }>
}

/** The description that the API gives of itself at `/openapi.json`. */
export async function describeApi(): Promise<OpenApi> {
  const { stdout } = await run(process.execPath, [program], { maxBuffer: OUTPUT_BYTES_MAX })
  return JSON.parse(stdout) as OpenApi
}
