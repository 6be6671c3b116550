import { chmod, mkdtemp } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { build } from "@gofermart/bundle/build.ts"
import { type EmbeddedPostgres, startPostgres } from "@gofermart/local-stack/postgres.ts"
import { migrate } from "@gofermart/shared/migrate/migrate.ts"
import type { TestProject } from "vitest/node"
import { findBrowser } from "./browser.ts"
import { cleanUpAfterThisProcess } from "./clean-up.ts"
import { TEST_SERVER_SETTINGS } from "./server-settings.ts"
import type { PgBouncer } from "./pgbouncer.ts"
import { describeApi, type OpenApi } from "./openapi.ts"
import { findRedisServer } from "@gofermart/local-stack/redis.ts"
import { serveSharedSystems } from "./shared-systems.ts"
import { TEMPLATE_DATABASE } from "./template.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** A folder that is removed when the run ends. */
    folder: string
    /** A connection string in which DATABASE stands for the database's name. */
    postgresUrl: string
    /** The same by a pooler in transaction mode, for what services and tests ask; empty where there is none. */
    pooledUrl: string
    /** Where the addresses of the shared systems are served. */
    sharedSystems: string
    /** The path of a Redis server, or why there is none. */
    redisServer: { path: string } | { missing: string }
    /** The path of a browser, or why there is none. */
    browser: { path: string } | { missing: string }
    /** The API's description of itself, as it is now. */
    openapi: OpenApi
  }
}

/** Starts what all test files share, and ends it after the last. */
export default function setup(project: TestProject): Promise<() => Promise<void>> {
  return startServers(project, async () => undefined)
}

/** `openPooler`: gives what is to be between the services and the server. */
export async function startServers(
  project: TestProject,
  openPooler: (server: EmbeddedPostgres) => Promise<PgBouncer | undefined>,
): Promise<() => Promise<void>> {
  const [, server, redisServer, browser, openapi] = await Promise.all([
    build(),
    startServer(),
    findRedisServer(),
    findBrowser(),
    describeApi(),
  ])
  const { postgres, folder } = server
  const pooler = await openPooler(postgres)
  const pooledUrl = pooler?.through(postgres.url("DATABASE")) ?? ""
  const shared = await serveSharedSystems(postgres, folder, pooledUrl)
  project.provide("folder", folder)
  project.provide("postgresUrl", postgres.url("DATABASE"))
  project.provide("pooledUrl", pooledUrl)
  project.provide("sharedSystems", shared.url)
  project.provide("redisServer", redisServer)
  project.provide("browser", browser)
  project.provide("openapi", openapi)
  return async () => {
    await shared.close()
    await pooler?.close()
    await server.stop()
  }
}

/** Starts PostgreSQL in a folder that goes with it, with the newest schema in the template. */
async function startServer() {
  const folder = await mkdtemp(join(tmpdir(), "gofermart-tests-"))
  cleanUpAfterThisProcess(folder)
  // Whatever a test makes is in there, also a browser, and what a process of another user is to read.
  await chmod(folder, 0o711)
  process.env["TMPDIR"] = folder
  const postgres = await startPostgres(folder, TEST_SERVER_SETTINGS)
  await postgres.createDatabase(TEMPLATE_DATABASE)
  const url = postgres.url(TEMPLATE_DATABASE)
  await migrate(url)
  return {
    postgres,
    folder,
    async stop() {
      await postgres.stop("immediate")
      await postgres.remove()
    },
  }
}
