import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { type Child, startChild } from "@gofermart/local-stack/child.ts"
import type { EmbeddedPostgres } from "@gofermart/local-stack/postgres.ts"
import { TEST_SETTINGS } from "./settings.ts"
import { copyTemplate } from "./template.ts"

/** Where a system is that test files share. */
export interface SharedAddresses {
  apiUrl: string
  operatorsUrl: string
  databaseUrl: string
  queueUrl: string
  logFile: string
}

/**
 * Serves the addresses of the systems that test files share, at `/<VITEST_POOL_ID>`: one for each
 * vitest worker, started when its first file asks, so that no two files use one at the same time.
 * `pooledUrl`: see `ProvidedContext`.
 * `close` ends them.
 */
export async function serveSharedSystems(
  postgres: EmbeddedPostgres,
  logFolder: string,
  pooledUrl: string,
): Promise<{ url: string; close(): Promise<void> }> {
  const apis: Child[] = []
  const start = async (worker: string): Promise<SharedAddresses> => {
    const name = `shared_${worker}`
    await copyTemplate(postgres.url("postgres"), name)
    const queueUrl = postgres.url(name)
    const databaseUrl = pooledUrl === "" ? queueUrl : pooledUrl.replace("DATABASE", name)
    const logFile = join(logFolder, `${name}.log`)
    const settings = { ...TEST_SETTINGS, DATABASE_URL: databaseUrl, QUEUE_URL: queueUrl }
    const api = await startChild("api", settings, logFile)
    apis.push(api)
    const { url: apiUrl = "", operatorsUrl = "" } = api.details
    return { apiUrl, operatorsUrl, databaseUrl, queueUrl, logFile }
  }
  const systems = new Map<string, Promise<SharedAddresses>>()
  const server = createServer((request, response) => {
    const worker = request.url?.slice(1) ?? ""
    const system = systems.get(worker) ?? start(worker)
    systems.set(worker, system)
    system.then(
      (addresses) => response.end(JSON.stringify(addresses)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.close()
      server.closeAllConnections()
      await Promise.allSettled(systems.values())
      await Promise.all(apis.map((api) => api.stop()))
    },
  }
}
