import {
  assertSchemaCompatibility,
  createPostgresBackend,
  DEFAULT_SCHEMA as DEFAULT_QUEUE_SCHEMA,
  LATEST_SCHEMA_VERSION,
  runMigrations,
  SchemaMigrationRequiredError,
} from "bullmq"
import type { ClientBase, Pool } from "pg"
import { connectionInSchema, DEFAULT_SCHEMA, schemaOf } from "../db/connection.ts"
import { openPool } from "../db/pool.ts"
import { INSUFFICIENT_PRIVILEGE, refuseHopelessDatabase, unusable } from "../db/refusals.ts"
import { whatLacksInQueue, whatLacksToMigrate } from "../db/rights.ts"
import { withClient } from "../db/with-client.ts"
import { ACCRUAL_QUEUE } from "./poll-job.ts"

/** Of a queue, and of a worker for its statements. */
const POSTGRES_CONNECTIONS_MAX = 10
const POSTGRES_CONNECT_TIMEOUT_MS = 5_000
/** On a connection that is open and silent, requeue would otherwise wait for ever. */
const POSTGRES_QUERY_TIMEOUT_MS = 30_000
const POSTGRES_KEEP_ALIVE_MS = 10_000

/** What gives the queue's database. */
export const QUEUE_SETTING = "QUEUE_URL (or DATABASE_URL, where the queue is in the database)"

/** The schema that the queue has to itself: two installations in one database have two. */
export function queueSchemaOf(queueUrl: string): string {
  const schema = schemaOf(queueUrl)
  return schema === DEFAULT_SCHEMA ? DEFAULT_QUEUE_SCHEMA : `${schema}_queue`
}

/**
 * Opens the pool that BullMQ's PostgreSQL backend works on. BullMQ's own would end the process when a
 * connection breaks while it is opened: it checks one out, and nobody listens to its errors.
 *
 * `listens`: a worker keeps one connection more, to hear of new jobs.
 */
export function openQueuePool(url: string, { listens }: { listens: boolean }): Pool {
  return openPool({
    // BullMQ's statements name no schema.
    ...connectionInSchema(url, queueSchemaOf(url)),
    max: POSTGRES_CONNECTIONS_MAX + (listens ? 1 : 0),
    connectionTimeoutMillis: POSTGRES_CONNECT_TIMEOUT_MS,
    query_timeout: POSTGRES_QUERY_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: POSTGRES_KEEP_ALIVE_MS,
  })
}

/** BullMQ's backend on a pool that it is given, which it takes to be of its default schema. */
export function backendInSchema(schema: string): typeof createPostgresBackend {
  return (name, options, factoryOptions) => {
    const backend = createPostgresBackend(name, options, factoryOptions)
    Object.assign(backend.connection, { schema })
    return backend
  }
}

/**
 * Throws a `ConfigError` when the user may not work on the queue, and another error while a migration
 * is to be waited for.
 */
export async function expectQueueSchema(pool: Pool, schema: string): Promise<void> {
  const client = await pool.connect()
  let isGood = false
  try {
    const lack = await whatLacksInQueue(client, schema)
    if (lack !== undefined) throw unusable(QUEUE_SETTING, lack)
    const isUsable =
      (await isMigrated(client, schema)) &&
      ((await isCounted(client)) || (await whatLacksToMigrate(client, schema)) === undefined)
    if (!isUsable) {
      throw new Error(`the schema ${schema} has no queue of this release: run the migration`)
    }
    isGood = true
  } finally {
    client.release(!isGood)
  }
}

/**
 * Brings the schema of a queue in PostgreSQL up to date, and makes it when it is not there. Safe when
 * several processes do it at once. Rejects with what broke the connection, when that is why.
 */
export async function migrateQueue(queueUrl: string): Promise<void> {
  const schema = queueSchemaOf(queueUrl)
  const config = {
    ...connectionInSchema(queueUrl, schema),
    connectionTimeoutMillis: POSTGRES_CONNECT_TIMEOUT_MS,
  }
  try {
    await withClient(config, (client) => migrateQueueOn(client, schema))
  } catch (error) {
    await refuseHopelessDatabase(QUEUE_SETTING, queueUrl, error)
    throw error
  }
}

async function migrateQueueOn(client: ClientBase, schema: string): Promise<void> {
  let broken: Error | undefined
  client.on("error", (error) => (broken ??= error))
  try {
    // Even to find that there is nothing to make, BullMQ needs rights to make it.
    if (!(await isMigrated(client, schema))) await runMigrations(client, schema)
    // BullMQ would make the sequence when the first job is added.
    if (!(await isCounted(client))) await client.query("SELECT next_job_id($1)", [ACCRUAL_QUEUE])
  } catch (error) {
    // On a broken connection BullMQ's ROLLBACK fails as well, and would hide why.
    const reason = broken ?? error
    if ((reason as { code?: string }).code === INSUFFICIENT_PRIVILEGE) {
      const lack = await whatLacksToMigrate(client, schema)
      if (lack !== undefined) throw unusable(QUEUE_SETTING, lack, reason)
    }
    throw reason
  }
}

async function isMigrated(client: ClientBase, schema: string): Promise<boolean> {
  try {
    return (await assertSchemaCompatibility(client, schema)) >= LATEST_SCHEMA_VERSION
  } catch (error) {
    if (error instanceof SchemaMigrationRequiredError) return false
    throw error
  }
}

/** Whether the queue's sequence is there, which goes with a queue that is emptied for good. */
async function isCounted(client: ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ isCounted: boolean }>(
    `SELECT to_regclass(job_id_seq_name($1)) IS NOT NULL AS "isCounted"`,
    [ACCRUAL_QUEUE],
  )
  return rows[0]?.isCounted === true
}
