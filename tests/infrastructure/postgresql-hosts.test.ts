import { createServer } from "node:net"
import { builtPath } from "@gofermart/bundle/build.ts"
import { connectionBy } from "@gofermart/shared/db/connection.ts"
import { openPool } from "@gofermart/shared/db/pool.ts"
import { waitForDatabase } from "@gofermart/shared/db/wait-for-database.ts"
import { withClient } from "@gofermart/shared/db/with-client.ts"
import { migrate } from "@gofermart/shared/migrate/migrate.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import type { Pool, PoolClient } from "pg"
import { beforeAll, describe, expect, it } from "vitest"
import { atEndOrBefore } from "../harness/at-end.ts"
import { eventually } from "../harness/eventually.ts"
import {
  executeAll,
  type PairedServer,
  type PostgresPair,
  promote,
  startPostgresPair,
} from "../harness/postgres-pair.ts"
import { USABLE } from "../settings/entries.ts"
import { start } from "../settings/run.ts"

const silent = createLogger("tests", "silent")
const NONE_WRITTEN = { tables: [], functions: [] }
const NOBODY = "127.0.0.1:1"

let pair: PostgresPair
let primary: PairedServer
let standby: PairedServer

beforeAll(async () => {
  pair = await startPostgresPair()
  ;[primary, standby] = pair.servers
})

/** The database on these hosts. */
function urlOf(hosts: string[], query: string): string {
  return `${primary.ownUrl.replace(/@[^/]*/, `@${hosts.join(",")}`)}?${query}`
}

const portOf = (address: string) => Number(address.split(":")[1])

/** The port of the server that a connection by the URL leads to. */
function serverPort(url: string, connectionTimeoutMillis = 5_000): Promise<number | undefined> {
  return withClient({ ...connectionBy(url), connectionTimeoutMillis }, async (client) => {
    const { rows } = await client.query<{ port: number }>("SELECT inet_server_port() AS port")
    return rows[0]?.port
  })
}

/** An address that lets everybody in and says nothing. */
async function startSilent(): Promise<string> {
  const server = createServer((socket) => void socket.on("error", () => {}))
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  atEndOrBefore(() => Promise.resolve(void server.close()))
  return `127.0.0.1:${(server.address() as { port: number }).port}`
}

describe("of several hosts", () => {
  it.each(["read-write", "primary"])(
    "%s leads to the primary, wherever it stands",
    async (role) => {
      const query = `target_session_attrs=${role}`
      for (const hosts of [
        [primary.address, standby.address],
        [standby.address, primary.address],
        [NOBODY, standby.address, primary.address],
        [await startSilent(), standby.address, primary.address],
      ]) {
        expect(await serverPort(urlOf(hosts, query))).toBe(portOf(primary.address))
      }
    },
  )

  it("any leads to the first that is there", async () => {
    const hosts = [NOBODY, standby.address, primary.address]
    expect(await serverPort(urlOf(hosts, "target_session_attrs=any"))).toBe(portOf(standby.address))
  })

  it("may be in parameters, as libpq has them", async () => {
    const ports = [standby.address, primary.address].map(portOf).join(",")
    const url = urlOf([""], `host=127.0.0.1,127.0.0.1&port=${ports}&target_session_attrs=primary`)
    expect(await serverPort(url)).toBe(portOf(primary.address))
  })

  it("TLS is agreed on with each", async () => {
    const hosts = [standby.address, primary.address]
    const query = "target_session_attrs=read-write&sslmode=prefer"
    expect(await serverPort(urlOf(hosts, query))).toBe(portOf(primary.address))
  })

  it("migration and commands find the primary", async () => {
    const url = urlOf([standby.address, primary.address], "target_session_attrs=read-write")
    expect(await migrate(url)).toEqual([])
    const env = { ...USABLE, DATABASE_URL: url, QUEUE_URL: url }
    const run = await start(builtPath("gofermart"), env, ["verify"]).ended
    expect(run).toMatchObject({ code: 0, complained: "" })
  })
})

describe("a role that no host has", () => {
  it("is waited for, and it is said why", async () => {
    const lines: string[] = []
    const logger = createLogger("tests", "silent")
    logger.warn = (...said: unknown[]) => void lines.push(JSON.stringify(said))
    const url = urlOf([standby.address, NOBODY], "target_session_attrs=primary")
    const waits = waitForDatabase(url, NONE_WRITTEN, logger)
    await eventually("it is said", async () => lines.length > 0)
    expect(lines[0]).toContain("the server is a standby")
    // What somebody has to mend is no reason to wait.
    const wrong = url.replace(/:[^:@]*@/, ":wrong@")
    await expect(waitForDatabase(wrong, NONE_WRITTEN, silent)).rejects.toThrow(
      /refuses its user name/,
    )
    await promoteInstead(pair.servers)
    await waits
  })
})

/** The standby becomes the primary, and what was the primary is read only from then on. */
async function promoteInstead([former, next]: PostgresPair["servers"]): Promise<void> {
  await promote(next)
  await executeAll(former.ownUrl, [
    "ALTER SYSTEM RESET synchronous_standby_names",
    "ALTER SYSTEM SET default_transaction_read_only = on",
    "SELECT pg_reload_conf()",
  ])
}

describe("a server that becomes read only while connections to it are open", () => {
  /** Connections of a pool: two idle, one that listens, one in a transaction. */
  async function openAll(pool: Pool): Promise<[PoolClient, PoolClient]> {
    const clients = await Promise.all(Array.from({ length: 4 }, () => pool.connect()))
    const [listening, busy, ...idle] = clients as [PoolClient, PoolClient, ...PoolClient[]]
    await listening.query("LISTEN something")
    await busy.query("BEGIN; SELECT 1")
    for (const client of idle) client.release()
    return [listening, busy]
  }

  it("gives all of them up with the first refusal, each between its transactions", async () => {
    const { servers, database } = await startPostgresPair()
    const [, next] = servers
    const pool = openPool({ ...connectionBy(database.url), connectionTimeoutMillis: 5_000, max: 4 })
    atEndOrBefore(() => pool.end())
    const [listening, busy] = await openAll(pool)
    const ended = Promise.withResolvers<Error>()
    listening.on("error", ended.resolve)

    await promoteInstead(servers)
    await eventually("the other one takes writes", () =>
      executeAll(next.ownUrl, ["CREATE SEQUENCE IF NOT EXISTS something"]).then(
        () => true,
        () => false,
      ),
    )
    // Its session is told of the new setting in the server's own time.
    await eventually("the old one refuses a write", async () => {
      const error: unknown = await pool
        .query("CREATE SEQUENCE something")
        .catch((caught: unknown) => caught)
      return (error as { code?: string } | undefined)?.code === "25006"
    })
    expect((await ended.promise).message).toContain("its server is read only")
    const { rows } = await busy.query<{ two: number }>("SELECT 2 AS two")
    expect(rows).toEqual([{ two: 2 }])
    await busy.query("COMMIT")
    busy.release()
    listening.release()
    for (let i = 0; i < 4; i++) {
      expect((await pool.query("SELECT nextval('something')")).rowCount).toBe(1)
    }
    const { rows: at } = await pool.query<{ port: number }>("SELECT inet_server_port() AS port")
    expect(at[0]?.port).toBe(portOf(next.address))
  })
})
