import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { compileCacheEnv } from "@gofermart/local-stack/compile-cache.ts"
import type { Schema } from "../harness/openapi.ts"
import type { Aim, Parameter } from "./aim.ts"

const run = promisify(execFile)
const PROGRAM = fileURLToPath(
  new URL("../../services/api/src/print-operator-routes.ts", import.meta.url),
)

interface Route {
  method: string | string[]
  url: string
  schema?: { querystring?: Schema; body?: Schema }
}

/** What the board takes in a body, where no schema of ours says so. */
const ANY_BODY: Schema = {
  type: "object",
  properties: Object.fromEntries(
    ["data", "options", "name", "jobData", "priority", "pattern", "every", "limit"].map((name) => [
      name,
      {},
    ]),
  ),
}
const ANY_QUERY = ["activeQueue", "status", "page", "jobsPerPage", "depth", "maxChildren", "start"]
const WITH_BODY = ["POST", "PUT", "PATCH"]

/** Every route of the operators' listener of an API with this database and its queue in there. */
export async function operatorAims(databaseUrl: string): Promise<Aim[]> {
  const env = { PATH: process.env["PATH"], ...compileCacheEnv(), DATABASE_URL: databaseUrl }
  const { stdout } = await run(process.execPath, [PROGRAM], { env })
  return (JSON.parse(stdout) as Route[]).flatMap((route) =>
    [route.method].flat().map((method) => aimOf(method, route)),
  )
}

function aimOf(method: string, { url, schema = {} }: Route): Aim {
  const names = [...url.matchAll(/:(\w+)/g)].map(([, name = ""]) => name)
  const ofPath = [...names, ...(url.includes("*") ? ["file"] : [])]
  const query = schema.querystring?.properties ?? {}
  const inQuery = [...new Set([...Object.keys(query), ...(method === "GET" ? ANY_QUERY : [])])]
  const parameter = (place: Parameter["in"], name: string): Parameter => ({
    in: place,
    name,
    schema: query[name] ?? { type: "string" },
  })
  return {
    name: `${method} ${url}`,
    listener: "operators",
    method,
    path: url.replaceAll(/:(\w+)/g, "{$1}").replace("*", "{file}"),
    parameters: [
      ...ofPath.map((name) => parameter("path", name)),
      ...inQuery.map((name) => parameter("query", name)),
    ],
    ...(WITH_BODY.includes(method)
      ? { body: { type: "application/json", schema: schema.body ?? ANY_BODY } }
      : {}),
    needsToken: false,
  }
}
