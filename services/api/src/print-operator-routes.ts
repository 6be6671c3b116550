import { subscribe } from "node:diagnostics_channel"
import { openDatabase } from "@gofermart/shared/db/client.ts"
import { SERVICE_TIMEOUTS } from "@gofermart/shared/db/service-timeouts.ts"
import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import { exitWhenWritten } from "@gofermart/shared/runtime/exit.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import type { FastifyInstance, RouteOptions } from "fastify"
import { readConfig } from "./config.ts"
import { buildApiOperatorApp } from "./operator/app.ts"

// Prints the routes of the operators' listener, each with its schema. Nothing is listened on.
const AUTH_KEYS = `none:${"A".repeat(43)}`
const routes: RouteOptions[] = []

// Before any route is registered, which a hook that is added later would not hear of.
subscribe("fastify.initialization", (message) => {
  const { fastify } = message as { fastify: FastifyInstance }
  fastify.addHook("onRoute", (route) => void routes.push(route))
})

const config = readConfig({ AUTH_KEYS, ...process.env })
const logger = createLogger("routes", "silent")
const app = await buildApiOperatorApp(config.operators, {
  queue: await openAccrualQueue(config.queueUrl, logger),
  database: openDatabase(config.databaseUrl, "routes", { connectionsMax: 1, ...SERVICE_TIMEOUTS }),
  isReadOnly: config.boardIsReadOnly,
  logger,
})
await app.ready()
// Hooks that were added later have completed some schemas.
const shown = routes.map(({ method, url, schema }) => ({ method, url, schema }))
process.stdout.write(JSON.stringify(shown))
await exitWhenWritten(0)
