import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, writeFile, chmod } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort } from "@gofermart/local-stack/ports.ts"
import { withClient } from "@gofermart/shared/db/with-client.ts"
import { connectionBy } from "@gofermart/shared/db/connection.ts"
import { eventually } from "./eventually.ts"

/** It refuses to run as root, and every system has this one. */
const UNPRIVILEGED = "nobody"
const SERVER_CONNECTIONS_MAX = 20
const CLIENTS_MAX = 2_000
const STARTED_WITHIN_MS = 10_000

export interface PgBouncer {
  /** The same database by the pooler, which the URL says. */
  through(databaseUrl: string): string
  /** Kills it and starts it again, on the same port. */
  restart(): Promise<void>
  close(): Promise<void>
}

/**
 * Starts a PgBouncer in front of a server, with nothing set that its package does not set: it refuses
 * every startup parameter that it does not know. `serverUrl`: of any database of the server, by a user
 * who may log in to all of them.
 */
export async function startPgBouncer(
  path: string,
  serverUrl: string,
  mode: "session" | "transaction",
): Promise<PgBouncer> {
  const folder = await mkdtemp(join(tmpdir(), "pgbouncer-"))
  await chmod(folder, 0o755)
  const server = new URL(serverUrl)
  const port = await freePort()
  const users = join(folder, "users.txt")
  await writeFile(users, `"${server.username}" "${decodeURIComponent(server.password)}"\n`)
  const config = join(folder, "pgbouncer.ini")
  const lines = [
    "[databases]",
    `* = host=${server.hostname} port=${server.port}`,
    "[pgbouncer]",
    "listen_addr = 127.0.0.1",
    `listen_port = ${port}`,
    "unix_socket_dir =",
    "auth_type = scram-sha-256",
    `auth_file = ${users}`,
    `pool_mode = ${mode}`,
    `default_pool_size = ${SERVER_CONNECTIONS_MAX}`,
    `max_client_conn = ${CLIENTS_MAX}`,
    ...(process.getuid?.() === 0 ? [`user = ${UNPRIVILEGED}`] : []),
  ]
  await writeFile(config, `${lines.join("\n")}\n`)
  const through = (databaseUrl: string): string => {
    const url = new URL(databaseUrl)
    url.port = String(port)
    url.searchParams.set("pooler", mode)
    return url.href
  }
  let child: ChildProcess
  const start = async () => {
    child = spawn(path, ["-q", config], { stdio: "ignore" })
    await eventually(
      "PgBouncer answers",
      () =>
        withClient(connectionBy(through(serverUrl)), (client) => client.query("SELECT 1")).catch(
          () => undefined,
        ),
      STARTED_WITHIN_MS,
    )
  }
  const kill = async () => {
    const ended = once(child, "exit")
    child.kill("SIGKILL")
    await ended
  }
  await start()
  return {
    through,
    async restart() {
      await kill()
      await start()
    },
    close: kill,
  }
}
