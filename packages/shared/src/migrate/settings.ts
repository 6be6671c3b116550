import { type Static, Type } from "typebox"
import { isShared } from "../db/connection.ts"
import { databaseUrl } from "../db/database-url.ts"
import {
  connectionRules,
  connectionSettings,
  readConnections,
} from "../queue/connection-settings.ts"
import { readEnv, type Rule } from "../runtime/env.ts"
import { defineSettings, setting } from "../runtime/setting.ts"

/** What `migrate` is told by its environment. */
export const Schema = defineSettings({
  ...connectionSettings,
  MIGRATION_DATABASE_URL: setting(Type.Optional(databaseUrl), {
    ...databaseUrl.about,
    purpose: "the same database past a pooler in transaction mode",
    fallback: "DATABASE_URL",
  }),
})

const rules: Rule<Static<typeof Schema>>[] = [
  ...connectionRules,
  {
    of: ["DATABASE_URL", "MIGRATION_DATABASE_URL"],
    isKept: ({ DATABASE_URL, MIGRATION_DATABASE_URL = DATABASE_URL }) =>
      !isShared(MIGRATION_DATABASE_URL),
    says: "MIGRATION_DATABASE_URL must lead past the pooler in transaction mode: a migration holds a lock of its session",
  },
]

/** Reads what is migrated. Throws a `ConfigError` as `readEnv` does. */
export function readMigrationSettings(env: NodeJS.ProcessEnv): ReturnType<typeof readConnections> {
  const { MIGRATION_DATABASE_URL, ...read } = readEnv(Schema, env, rules)
  const connections = readConnections(read)
  if (MIGRATION_DATABASE_URL === undefined) return connections
  const isQueueIn = connections.queueUrl === connections.databaseUrl
  return {
    databaseUrl: MIGRATION_DATABASE_URL,
    queueUrl: isQueueIn ? MIGRATION_DATABASE_URL : connections.queueUrl,
  }
}
