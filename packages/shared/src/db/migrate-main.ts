import { Type } from "typebox"
import { databaseUrl, readConfigOrExit, readEnv, withContractNames } from "../runtime/env.ts"
import { createLogger } from "../runtime/logger.ts"
import { migrate } from "./migrate.ts"

const Schema = Type.Object({ DATABASE_URL: databaseUrl })
const config = readConfigOrExit(() => readEnv(Schema, withContractNames(process.env)))
const logger = createLogger("migrate", "info")

try {
  const applied = await migrate(config.DATABASE_URL)
  logger.info({ applied }, applied.length === 0 ? "the schema is up to date" : "migrated")
  // The engine's timers would hold the process for another ten seconds.
  process.exit(0)
} catch (error) {
  logger.fatal({ err: error }, "the database could not be migrated")
  process.exit(1)
}
