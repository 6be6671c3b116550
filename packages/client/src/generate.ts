import { execFile } from "node:child_process"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import openapiTypescript, {
  astToString,
  COMMENT_HEADER,
  tsUnion,
  UNDEFINED,
} from "openapi-typescript"

// Writes the API's description and the types made of it, into this package or another folder.
const printOpenapi = fileURLToPath(
  new URL("../../../services/api/src/print-openapi.ts", import.meta.url),
)
const folder = process.argv[2] ?? fileURLToPath(new URL("..", import.meta.url))
const DESCRIPTION_BYTES_MAX = 10_000_000
/** OpenAPI cannot say that a body is there only if it was asked for: an upload's, with `Prefer`. */
const OPTIONAL_BODY = /^#\/paths\/~1api~1user~1orders\/post\/responses\/20\d\/content\/[^/]+$/

const { stdout: description } = await promisify(execFile)(process.execPath, [printOpenapi], {
  maxBuffer: DESCRIPTION_BYTES_MAX,
})
const types = await openapiTypescript(description, {
  silent: true,
  postTransform: (type, { path = "" }) =>
    OPTIONAL_BODY.test(path) ? tsUnion([type, UNDEFINED]) : undefined,
})
const generated = join(folder, "src/generated")
await mkdir(generated, { recursive: true })
await writeFile(join(folder, "openapi.json"), description)
await writeFile(join(generated, "api.ts"), `${COMMENT_HEADER}${astToString(types)}`)
