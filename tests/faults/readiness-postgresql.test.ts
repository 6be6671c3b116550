import { rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Client } from "pg"
import { afterAll, beforeAll, describe, it } from "vitest"
import { type FaultProxy, startFaultProxy } from "../harness/fault-proxy.ts"
import { createDatabase, startOwnDatabase } from "../harness/database.ts"
import { startSystem, type System } from "../harness/system.ts"
import { expectTold, type Fault } from "./readiness.ts"

const ROLE = "app"
const [FIRST_PASSWORD, SECOND_PASSWORD] = ["first", "second"]

/** A PostgreSQL of a service's own, behind a proxy, and what can happen to it. */
interface Server {
  /** For a service, whose role owns nothing but what it makes. */
  url: string
  faults: Record<string, Fault>
  close(): Promise<void>
}

/** `table`: one that each service writes to. */
async function startServer(table: string): Promise<Server> {
  const database = await startOwnDatabase()
  const { server, url: adminUrl } = database
  const administer = async (...statements: string[]) => {
    const admin = new Client({ connectionString: adminUrl })
    await admin.connect()
    const answers = []
    // One at a time: several at once would be a transaction, in which ALTER SYSTEM is refused.
    for (const statement of statements) answers.push(await admin.query<object>(statement))
    await admin.end()
    return answers.at(-1)?.rows[0]
  }
  await administer(
    `CREATE ROLE ${ROLE} LOGIN PASSWORD '${FIRST_PASSWORD}'`,
    `GRANT USAGE ON SCHEMA bullmq TO ${ROLE}`,
    `GRANT ALL ON ALL TABLES IN SCHEMA public, bullmq TO ${ROLE}`,
    `GRANT ALL ON ALL SEQUENCES IN SCHEMA bullmq TO ${ROLE}`,
  )
  const shown = (await administer("SHOW data_directory")) as { data_directory: string }
  const standbySignal = join(shown.data_directory, "standby.signal")
  const serviceUrl = new URL(adminUrl)
  serviceUrl.username = ROLE
  serviceUrl.password = FIRST_PASSWORD
  const proxy: FaultProxy = await startFaultProxy(serviceUrl.href)
  const terminate = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${ROLE}'`
  const setPassword = (password: string) => `ALTER ROLE ${ROLE} PASSWORD '${password}'`
  const setReadOnly = (value: string) => [
    `ALTER SYSTEM SET default_transaction_read_only = ${value}`,
    "SELECT pg_reload_conf()",
  ]
  const faults: Record<string, Fault> = {
    "read only": {
      reason: "read_only",
      break: () => administer(...setReadOnly("on")),
      heal: () => administer(...setReadOnly("off")),
    },
    "refuses connections": {
      reason: "unreachable",
      break: () => server.stop(),
      heal: () => server.start(),
    },
    "demoted to a standby": {
      reason: "replica",
      async break() {
        await server.stop()
        await writeFile(standbySignal, "")
        await server.start()
      },
      async heal() {
        await administer("SELECT pg_promote()")
        await rm(standbySignal, { force: true })
      },
    },
    "is silent": {
      reason: "no_answer",
      break: async () => proxy.freeze(),
      heal: () => proxy.mend(),
    },
    "has another password": {
      reason: "credentials_refused",
      break: () => administer(setPassword(SECOND_PASSWORD), terminate),
      heal: () => administer(setPassword(FIRST_PASSWORD)),
    },
    "takes a right away": {
      reason: "rights_missing",
      break: () => administer(`REVOKE UPDATE ON ${table} FROM ${ROLE}`),
      heal: () => administer(`GRANT UPDATE ON ${table} TO ${ROLE}`),
    },
  }
  return {
    url: proxy.url,
    faults,
    async close() {
      await proxy.close()
      await database.drop()
    },
  }
}

describe("PostgreSQL that cannot be written", () => {
  let servers: { ledger: Server; queue: Server }
  let systems: { ledger: System; queue: System }
  beforeAll(async () => {
    const [ledger, queue] = await Promise.all([startServer("accruals"), startServer("bullmq.job")])
    servers = { ledger, queue }
    const backend = "postgresql"
    systems = {
      ledger: await startSystem({
        backend,
        env: { DATABASE_URL: ledger.url, QUEUE_URL: (await createDatabase()).url },
      }),
      queue: await startSystem({ backend, env: { QUEUE_URL: queue.url } }),
    }
  })
  afterAll(async () => {
    await systems.ledger.close()
    await systems.queue.close()
    await servers.ledger.close()
    await servers.queue.close()
  })

  it.each([
    "read only",
    "demoted to a standby",
    "refuses connections",
    "is silent",
    "has another password",
    "takes a right away",
  ])("%s: the ledger's is not ready, the queue's is degraded, and each says why", async (name) => {
    const { ledger, queue } = servers
    await Promise.all([
      expectTold(systems.ledger, "database", `ledger, ${name}`, ledger.faults[name] as Fault),
      expectTold(systems.queue, "queue", `queue, ${name}`, queue.faults[name] as Fault),
    ])
  })
})
