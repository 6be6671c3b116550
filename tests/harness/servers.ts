import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startPostgres } from "@gofermart/local-stack/postgres.ts"
import { migrate } from "@gofermart/shared/db/migrate.ts"
import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import type { TestProject } from "vitest/node"
import { findBrowser } from "./browser.ts"
import { describeApi, type OpenApi } from "./openapi.ts"
import { findRedisServer } from "@gofermart/local-stack/redis.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** A connection string in which DATABASE stands for the database's name. */
    postgresUrl: string
    /** The path of a Redis server, or why there is none. */
    redisServer: { path: string } | { missing: string }
    /** The path of a browser, or why there is none. */
    browser: { path: string } | { missing: string }
    /** The API's description of itself, as it is now. */
    openapi: OpenApi
  }
}

/** Every test database is a copy of this one, which has the newest schema. */
export const TEMPLATE_DATABASE = "gofermart_template"

/** Starts what all test files share: one PostgreSQL server, with its schema in a template. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "gofermart-tests-"))
  const postgres = await startPostgres(folder)
  await postgres.createDatabase(TEMPLATE_DATABASE)
  await migrate(postgres.url(TEMPLATE_DATABASE))
  const queue = await openAccrualQueue(
    postgres.url(TEMPLATE_DATABASE),
    createLogger("tests", "silent"),
  )
  await queue.waitUntilReady()
  await queue.close()
  project.provide("postgresUrl", postgres.url("DATABASE"))
  project.provide("redisServer", await findRedisServer())
  project.provide("browser", await findBrowser())
  project.provide("openapi", await describeApi())
  return async () => {
    await postgres.stop("immediate")
    await rm(folder, { recursive: true })
  }
}
