import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { builtPath } from "@gofermart/bundle/build.ts"
import { connectionBy } from "@gofermart/shared/db/connection.ts"
import { expectAnswer } from "@gofermart/shared/db/expect-answer.ts"
import { waitForDatabase } from "@gofermart/shared/db/wait-for-database.ts"
import { withClient } from "@gofermart/shared/db/with-client.ts"
import { migrate } from "@gofermart/shared/migrate/migrate.ts"
import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { beforeAll, describe, expect, inject, it } from "vitest"
import { startOwnDatabase, type TestDatabase } from "../harness/database.ts"
import { eventually } from "../harness/eventually.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { newNumber } from "../harness/numbers.ts"
import { executeAll } from "../harness/postgres-pair.ts"
import { startSystem } from "../harness/system.ts"
import {
  CERTIFICATE,
  LOOPBACK_CERTIFICATE,
  LOOPBACK_PRIVATE_KEY,
  PRIVATE_KEY,
} from "../settings/certificate.ts"
import { USABLE } from "../settings/entries.ts"
import { start } from "../settings/run.ts"

const silent = createLogger("tests", "silent")
const NONE_WRITTEN = { tables: [], functions: [] }
const CONNECT_TIMEOUT_MS = 5_000

/** A server, by whom its `pg_hba.conf` lets in, and a URL's parameters for it. */
type Row = [letsIn: "host" | "hostssl" | "hostnossl", query: string]

let database: TestDatabase
/** Of the server, when it has one for 127.0.0.1, and one for another name. */
let own: string
let another: string

const settingOf = async (name: string): Promise<string> => {
  const [row] = await database.client.$queryRawUnsafe<{ value: string }[]>(
    `SELECT current_setting('${name}') AS value`,
  )
  return row?.value ?? ""
}
const set = (settings: Record<string, string>) =>
  executeAll(database.url, [
    ...Object.entries(settings).map(([name, value]) => `ALTER SYSTEM SET ${name} = '${value}'`),
    "SELECT pg_reload_conf()",
  ])
const withCertificate = (certificate: string) =>
  set({ ssl: "on", ssl_cert_file: certificate, ssl_key_file: certificate.replace("crt", "key") })

/** Whom the server lets in besides the tests' own connections, which are there already. */
async function letIn(kind: Row[0], options = ""): Promise<void> {
  const rest = ["local all all trust", "host all gofermart 127.0.0.1/32 scram-sha-256"]
  const user = `${kind} all tls_user 127.0.0.1/32 scram-sha-256 ${options}`
  await writeFile(await settingOf("hba_file"), `${[user, ...rest].join("\n")}\n`)
  await executeAll(database.url, ["SELECT pg_reload_conf()"])
}

function urlOf(query: string): string {
  const url = new URL(database.url)
  url.username = "tls_user"
  url.password = "a-password"
  return `${url.href}?${query.replace("OWN", own).replace("ANOTHER", another)}`
}

/** Whether the connection is encrypted, as the server sees it. */
async function isEncrypted(query: string): Promise<boolean | undefined> {
  return withClient(connectionBy(urlOf(query)), async (client) => {
    const { rows } = await client.query<{ ssl: boolean }>(
      "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
    )
    return rows[0]?.ssl
  })
}

/** The server takes a new setting up in its own time. */
const becomes = (query: string, expected: boolean) =>
  eventually(
    `${query} is ${expected ? "encrypted" : "plain"}`,
    async () => (await isEncrypted(query).catch(() => undefined)) === expected,
  )

beforeAll(async () => {
  database = await startOwnDatabase()
  const folder = inject("folder")
  own = join(folder, "own.crt")
  another = join(folder, "another.crt")
  for (const [file, content] of [
    [own, LOOPBACK_CERTIFICATE],
    [own.replace("crt", "key"), LOOPBACK_PRIVATE_KEY],
    [another, CERTIFICATE],
    [another.replace("crt", "key"), PRIVATE_KEY],
  ] as const) {
    await writeFile(file, content, { mode: 0o600 })
  }
  await executeAll(database.url, ["CREATE ROLE tls_user SUPERUSER LOGIN PASSWORD 'a-password'"])
  await letIn("host")
})

describe("a server without TLS", () => {
  it.each(["", "sslmode=disable", "sslmode=allow", "sslmode=prefer"])(
    "%s: plain",
    async (query) => {
      expect(await isEncrypted(query)).toBe(false)
    },
  )

  it.each(["sslmode=require", "sslmode=no-verify", "sslmode=verify-full"])(
    "%s: refused",
    async (query) => {
      await expect(expectAnswer(urlOf(query), CONNECT_TIMEOUT_MS)).rejects.toThrow(
        "the server does not speak TLS: leave sslmode out, or turn it on there",
      )
    },
  )
})

describe("a server with a certificate of a private authority", () => {
  beforeAll(async () => {
    await withCertificate(own)
    // A URL that found no TLS before would look for it again only after a while.
    await becomes("sslmode=require", true)
  })

  it.each<[...Row, boolean]>([
    ["host", "", false],
    ["host", "sslmode=disable", false],
    ["host", "sslmode=allow", false],
    ["host", "sslmode=prefer", true],
    ["host", "sslmode=require", true],
    ["host", "sslmode=require&uselibpqcompat=true", true],
    ["host", "sslmode=require&sslrootcert=OWN", true],
    ["host", "sslmode=no-verify", true],
    ["host", "sslmode=verify-ca&sslrootcert=OWN", true],
    ["host", "sslmode=verify-full&sslrootcert=OWN", true],
    ["host", "sslrootcert=OWN", true],
    ["host", "sslmode=verify-full&sslrootcert=OWN&sslnegotiation=direct", true],
    ["hostssl", "sslmode=allow", true],
    ["hostnossl", "sslmode=prefer", false],
  ])("%s, %s: encrypted %s", async (letsIn, query, expected) => {
    await letIn(letsIn)
    const fresh = `${query}&application_name=tls-${letsIn}`
    await becomes(fresh, expected)
    expect(await isEncrypted(fresh)).toBe(expected)
    await letIn("host")
  })

  it.each([
    ["sslmode=require&sslrootcert=ANOTHER", "no authority that is trusted here has signed"],
    ["sslmode=verify-ca&sslrootcert=ANOTHER", "no authority that is trusted here has signed"],
    ["sslmode=verify-full&sslrootcert=ANOTHER", "no authority that is trusted here has signed"],
    ["sslmode=verify-full", "no authority that is trusted here has signed"],
    ["sslmode=verify-full&sslrootcert=system", "no authority that is trusted here has signed"],
    ["ssl=true", "no authority that is trusted here has signed"],
  ])("%s: every part of the system refuses it", async (query, says) => {
    const url = urlOf(query)
    const words = new RegExp(`${says}.*: name its authority in sslrootcert`)
    await expect(waitForDatabase(url, NONE_WRITTEN, silent)).rejects.toThrow(words)
    await expect(migrate(url)).rejects.toThrow(words)
    await expect(openAccrualQueue(url, silent)).rejects.toThrow(words)
  })

  it("may ask for a certificate, which sslcert and sslkey name", async () => {
    await set({ ssl_ca_file: another })
    await letIn("hostssl", "clientcert=verify-ca")
    await eventually("it asks for one", async () =>
      isEncrypted("sslmode=require").then(
        () => false,
        (error: unknown) => (error as { code?: string }).code === "28000",
      ),
    )
    const key = another.replace("crt", "key")
    expect(await isEncrypted(`sslmode=require&sslcert=ANOTHER&sslkey=${key}`)).toBe(true)
    await letIn("host")
    await becomes("sslmode=require", true)
  })

  it("sslrootcert=system trusts whom the operating system does", async () => {
    const env = { ...USABLE, DATABASE_URL: urlOf("sslmode=verify-full&sslrootcert=system") }
    const run = start(builtPath("migrate"), { ...env, QUEUE_URL: "", SSL_CERT_FILE: own })
    expect(await run.ended).toMatchObject({ code: 0, complained: "" })
  })

  it("the whole system works encrypted, its listening connections too, and no process warns", async () => {
    const url = urlOf("sslmode=require")
    const { database: ledger } = { database }
    const system = await startSystem({
      backend: "postgresql",
      database: { ...ledger, url, drop: () => Promise.resolve() },
    })
    await system.simulator.behave({ autoRegister: true })
    const anna = await system.register()
    const number = newNumber()
    expect(await anna.upload(number)).toBe(202)
    await expectAllSettledOnce(system, [number])
    // BullMQ gives the one that listens the queue's name.
    const connections = await database.client.$queryRaw<{ ssl: boolean; listens: boolean }[]>`
      SELECT ssl, application_name = 'accrual' AS listens
        FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'tls_user'`
    expect(connections.some(({ listens }) => listens)).toBe(true)
    expect(connections.filter(({ ssl }) => !ssl)).toEqual([])
    const env = { ...USABLE, DATABASE_URL: url, QUEUE_URL: url }
    for (const [program, args] of [
      ["migrate", []],
      ["gofermart", ["verify"]],
    ] as const) {
      const run = await start(builtPath(program), env, [...args]).ended
      expect(run).toMatchObject({ code: 0, complained: "" })
    }
    expect(await system.logs()).not.toMatch(/warning/i)
    await system.close()
  })
})

describe("a server whose certificate is for another name", () => {
  beforeAll(async () => {
    await withCertificate(another)
    await becomes("sslmode=verify-ca&sslrootcert=ANOTHER", true)
  })

  it("verify-full refuses it, and a process ends with 78 and says what to do", async () => {
    const env = {
      ...USABLE,
      RUN_ADDRESS: "127.0.0.1:0",
      DATABASE_URL: urlOf("sslmode=verify-full&sslrootcert=ANOTHER"),
    }
    const { code, complained } = await start(builtPath("api"), env).ended
    expect(code).toBe(78)
    expect(complained).toMatch(
      /its certificate is for another name; .*: write the name that it has/,
    )
    expect(complained).not.toContain("a-password")
  })

  it("a replaced authority is read for the next connection", async () => {
    const authority = join(inject("folder"), "replaced.crt")
    await writeFile(authority, await readFile(own))
    const query = `sslmode=verify-ca&sslrootcert=${authority}`
    await expect(isEncrypted(query)).rejects.toThrow("self-signed certificate")
    await writeFile(authority, await readFile(another))
    expect(await isEncrypted(query)).toBe(true)
  })
})
