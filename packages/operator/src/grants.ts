import { databaseOf, isShared, schemaOf } from "@gofermart/shared/db/connection.ts"
import {
  grantStatements,
  migrationGrants,
  queueGrants,
  serviceGrants,
  settingOfRole,
} from "@gofermart/shared/db/grants.ts"
import { roleSettings } from "@gofermart/shared/db/role-settings.ts"
import type { readConnections } from "@gofermart/shared/queue/connection-settings.ts"
import { queueSchemaOf } from "@gofermart/shared/queue/postgres-pool.ts"
import { isRedisUrl } from "@gofermart/shared/queue/redis-url.ts"
import { say } from "./command-line/backends.ts"

export interface GrantsOptions {
  /** The role that `migrate` runs as. */
  migrating?: string
}

/** Prints the SQL that gives roles what they need. Connects to nothing: the roles need not be there yet. */
export function printGrants(
  { databaseUrl, queueUrl }: ReturnType<typeof readConnections>,
  running: string,
  { migrating }: GrantsOptions,
): number {
  const places = [
    {
      where: "DATABASE_URL",
      migration: migrationGrants(databaseOf(databaseUrl), schemaOf(databaseUrl)),
      services: serviceGrants(databaseOf(databaseUrl), schemaOf(databaseUrl)),
    },
  ]
  if (!isRedisUrl(queueUrl)) {
    places.push({
      where: queueUrl === databaseUrl ? "DATABASE_URL, for the queue in it" : "QUEUE_URL",
      migration: migrationGrants(databaseOf(queueUrl), queueSchemaOf(queueUrl)),
      services: queueGrants(databaseOf(queueUrl), queueSchemaOf(queueUrl)),
    })
  }
  if (migrating !== undefined) {
    for (const { where, migration } of places) {
      say(`-- Before migrate, which runs as ${migrating}; in the database of ${where}`)
      for (const statement of grantStatements(migration, migrating)) say(statement)
    }
  }
  if (isShared(databaseUrl)) {
    say(`-- For the pooler in transaction mode, which passes no settings on`)
    const database = databaseOf(databaseUrl)
    for (const statement of settingOfRole(running, database, roleSettings(schemaOf(databaseUrl)))) {
      say(statement)
    }
  }
  for (const { where, services } of places) {
    say(`-- After each migrate, for API, workers and commands; in the database of ${where}`)
    for (const statement of grantStatements(services, running)) say(statement)
  }
  return 0
}
