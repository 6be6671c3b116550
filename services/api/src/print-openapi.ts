import { openDatabase, SERVICE_TIMEOUTS } from "@gofermart/shared/db/client.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { buildApp } from "./app.ts"
import { readConfig } from "./config.ts"

// Prints the API's description. Nothing is listened on and nothing is connected to.
const DATABASE_URL = "postgresql://nobody@127.0.0.1:1/nothing"
const AUTH_KEYS = `none:${"A".repeat(43)}`

const app = await buildApp({
  config: readConfig({ DATABASE_URL, AUTH_KEYS }),
  database: openDatabase(DATABASE_URL, "description", { connectionsMax: 1, ...SERVICE_TIMEOUTS }),
  queue: new Promise(() => {}),
  logger: createLogger("description", "silent"),
})
await app.ready()
const text = `${JSON.stringify(app.swagger(), undefined, 2)}\n`
process.stdout.write(text, () => process.exit(0))
