import { chown, copyFile, lstat, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startPostgres } from "@gofermart/local-stack/postgres.ts"
import { Client } from "pg"
import { type TestDatabase, testDatabase } from "../harness/database.ts"
import { TEST_SERVER_SETTINGS } from "../harness/server-settings.ts"

/** Says where recovery of a crash would begin; as `pg_basebackup` does, it is copied last. */
const CONTROL_FILE = "pg_control"
/** What belongs to the running server and not to its data. */
const SERVERS_OWN = ["postmaster.pid", "postmaster.opts"]
/** The log comes when the copy is complete; the backup's own slot is not to be in it. */
const COPIED_EMPTY = ["pg_wal", "pg_replslot"]
const WAL_SEGMENT = /^[0-9A-F]{24}$/

/** A backup that is being taken: the files are copied, while the server goes on writing them. */
export interface Backup {
  folder: string
  /**
   * Ends it, and adds the log that makes the copy whole. This is the recovery point: what was
   * committed before this call is in the backup, and what is begun after it is not.
   */
  end(): Promise<void>
}

/**
 * Takes a base backup of a running server as `pg_basebackup` does, which the embedded PostgreSQL
 * does not bring: https://www.postgresql.org/docs/18/continuous-archiving.html, "Making a Base Backup
 * Using the Low Level API".
 */
export async function startBackup(databaseUrl: string): Promise<Backup> {
  const folder = await mkdtemp(join(tmpdir(), "gofermart-backup-"))
  // One session throughout: both the slot, which keeps the log, and the backup end with it.
  const session = new Client({ connectionString: databaseUrl })
  // When a test fails, its server goes away before this.
  session.on("error", () => {})
  await session.connect()
  const data = await dataFolder(session)
  await one(session, "SELECT pg_create_physical_replication_slot('backup', true, true)")
  await one(session, "SELECT pg_backup_start('tests', true)")
  await copyFolder(data, folder, { leftOut: [...SERVERS_OWN, CONTROL_FILE], emptied: COPIED_EMPTY })
  return {
    folder,
    async end() {
      await copyOne(join(data, "global", CONTROL_FILE), join(folder, "global", CONTROL_FILE))
      const { label, last } = await one<{ label: string; last: string }>(
        session,
        "SELECT labelfile AS label, pg_walfile_name(lsn) AS last FROM pg_backup_stop()",
      )
      const inLog = await readdir(join(data, "pg_wal"))
      for (const name of inLog.filter((file) => WAL_SEGMENT.test(file) && file <= last)) {
        await copyOne(join(data, "pg_wal", name), join(folder, "pg_wal", name))
      }
      await writeFile(join(folder, "backup_label"), label)
      const { uid, gid } = await lstat(join(folder, "PG_VERSION"))
      await chown(join(folder, "backup_label"), uid, gid)
      await session.end()
    },
  }
}

/** Starts another server on a backup, which has the same users as the one it is of. */
export async function restoreBackup(backup: Backup, of: string): Promise<TestDatabase> {
  const parent = await mkdtemp(join(tmpdir(), "gofermart-restored-"))
  await writeFile(join(parent, "password"), decodeURIComponent(new URL(of).password))
  const server = await startPostgres(parent, TEST_SERVER_SETTINGS)
  const url = server.url("gofermart")
  const session = new Client({ connectionString: server.url("postgres") })
  await session.connect()
  const data = await dataFolder(session)
  await session.end()
  await server.stop()
  await rm(data, { recursive: true })
  await copyFolder(backup.folder, data, { leftOut: [], emptied: [] })
  await server.start()
  return testDatabase(url, async () => {
    await server.stop("immediate")
    await rm(parent, { recursive: true })
  })
}

async function dataFolder(session: Client): Promise<string> {
  const { folder } = await one<{ folder: string }>(
    session,
    "SELECT current_setting('data_directory') AS folder",
  )
  return folder
}

async function one<Row extends object>(session: Client, statement: string): Promise<Row> {
  const [row] = (await session.query<Row>(statement)).rows
  if (row === undefined) throw new Error(`no row: ${statement}`)
  return row
}

/** Copies a data folder, with its files' owners; whatever goes away meanwhile is not needed. */
async function copyFolder(
  from: string,
  to: string,
  but: { leftOut: string[]; emptied: string[] },
): Promise<void> {
  const { mode, uid, gid } = await lstat(from)
  await mkdir(to, { mode, recursive: true })
  await chown(to, uid, gid)
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (but.leftOut.includes(entry.name)) continue
    if (entry.isFile()) await copyOne(source, target)
    else if (!but.emptied.includes(entry.name)) await copyFolder(source, target, but)
    else {
      const owner = await lstat(source)
      await mkdir(target, { mode: owner.mode })
      await chown(target, owner.uid, owner.gid)
    }
  }
}

async function copyOne(source: string, target: string): Promise<void> {
  try {
    const { uid, gid } = await lstat(source)
    await copyFile(source, target)
    await chown(target, uid, gid)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error
  }
}
