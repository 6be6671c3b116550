import { appendFile, chmod, cp, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type EmbeddedPostgres, startPostgres } from "@gofermart/local-stack/postgres.ts"
import { migrate } from "@gofermart/shared/migrate/migrate.ts"
import { atEndOrBefore } from "./at-end.ts"
import { type TestDatabase, testDatabase } from "./database.ts"
import { eventually } from "./eventually.ts"
import { TEST_SERVER_SETTINGS } from "./server-settings.ts"
import { administer } from "./template.ts"

const DATABASE = "gofermart"

/** A server of a pair. */
export interface PairedServer extends EmbeddedPostgres {
  /** Of the database, on this server alone. */
  ownUrl: string
  /** `127.0.0.1:PORT` */
  address: string
  /** Where it keeps its data. */
  data: string
}

export interface PostgresPair {
  /** A database on both, found on the one that takes writes. */
  database: TestDatabase
  servers: [primary: PairedServer, standby: PairedServer]
}

/**
 * Starts a primary with a database of the newest schema and its standby, and waits until the standby
 * streams. What is committed waits for the standby.
 */
export async function startPostgresPair(): Promise<PostgresPair> {
  const folder = await mkdtemp(join(tmpdir(), "gofermart-pair-"))
  const [first, second] = [join(folder, "first"), join(folder, "second")]
  const primary = await startServer(first)
  await primary.createDatabase(DATABASE)
  await migrate(primary.ownUrl)
  await primary.stop()
  // What pg_basebackup does, which the embedded PostgreSQL lacks.
  await cp(first, second, { recursive: true })
  await chmod(join(second, "data"), 0o700)
  await makeStandby(join(second, "data"), primary.ownUrl)
  await primary.start()
  const standby = await startServer(second)
  await executeAll(primary.ownUrl, [
    "ALTER SYSTEM SET synchronous_standby_names = '*'",
    "SELECT pg_reload_conf()",
  ])
  const servers: PostgresPair["servers"] = [primary, standby]
  const url = urlOfAll(servers)
  const database = testDatabase(url, async () => {
    for (const server of servers) {
      await server.stop("immediate").catch(() => {})
      await server.remove()
    }
    await rm(folder, { recursive: true, force: true })
  })
  await untilStreaming(database)
  return { database: { ...database, drop: atEndOrBefore(database.drop) }, servers }
}

/** A connection string of the database on all of them, for whoever writes. */
function urlOfAll(servers: PairedServer[]): string {
  const [{ ownUrl } = { ownUrl: "" }] = servers
  const addresses = servers.map(({ address }) => address).join(",")
  return `${ownUrl.replace(/@[^/]*/, `@${addresses}`)}?target_session_attrs=read-write`
}

/** Makes a standby the primary. */
export async function promote({ ownUrl }: PairedServer): Promise<void> {
  await administer(ownUrl, "SELECT pg_promote()")
}

/** Stops a primary in good order and starts it again as the standby of the other. */
export async function demote(server: PairedServer, other: PairedServer): Promise<void> {
  await server.stop()
  await makeStandby(server.data, other.ownUrl)
  await server.start()
}

/** Resolves when the primary has a standby that confirms commits. */
export async function untilStreaming({ client }: TestDatabase): Promise<void> {
  await eventually("the standby confirms commits", async () => {
    const standbys = await client.$queryRaw<unknown[]>`
      SELECT FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'`
    return standbys.length > 0
  })
}

/** Executes statements, each on its own: ALTER SYSTEM is refused in a transaction. */
export async function executeAll(url: string, statements: string[]): Promise<void> {
  for (const statement of statements) await administer(url, statement)
}

async function startServer(folder: string): Promise<PairedServer> {
  const server = await startPostgres(folder, TEST_SERVER_SETTINGS)
  const ownUrl = server.url(DATABASE)
  return { ...server, ownUrl, address: new URL(ownUrl).host, data: join(folder, "data") }
}

async function makeStandby(data: string, primaryUrl: string): Promise<void> {
  const { hostname, port, username, password } = new URL(primaryUrl)
  const connection = `host=${hostname} port=${port} user=${username} password=${password}`
  await appendFile(
    join(data, "postgresql.auto.conf"),
    `primary_conninfo = '${connection} application_name=standby'\n`,
  )
  await writeFile(join(data, "standby.signal"), "")
}
