import { setTimeout as sleep } from "node:timers/promises"
import type { Customer } from "@gofermart/local-stack/customer.ts"
import { Client } from "pg"
import { describe, expect, it } from "vitest"
import { holdCommits, untilWaiting } from "../harness/commits.ts"
import { startOwnDatabase } from "../harness/database.ts"
import { expectOwnAccruals } from "../harness/load.ts"
import { newLogin, newNumber, newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { startSystem, type System } from "../harness/system.ts"

/** Requeue's longest lease in these tests is 5 s, the backoff starts at 1 s; and 30 s. */
const SETTLED_WITHIN_MS = 36_000
const WRITES = 40
/** Less than a client waits for an answer, and more than a statement of a batch may take. */
const COMMIT_DELAY_MS = 5_000

/** How far the log was on disk when a write was answered. */
interface Answered {
  write: string
  /** Finds the row that it wrote, and with it its transaction. */
  row: { text: string; values: unknown[] }
  flushed: string
}

describe("the loss of everything that PostgreSQL had not flushed", () => {
  let system: System

  it("22: a write that was answered is on disk, which needs synchronous_commit", async () => {
    const database = await startOwnDatabase()
    const { url, server, client } = database
    // The log is decoded afterwards to see where each commit is in it; meanwhile nothing but
    // commits flushes it.
    await client.$executeRaw`ALTER SYSTEM SET wal_level = 'logical'`
    await client.$executeRaw`ALTER SYSTEM SET wal_writer_delay = '10s'`
    await client.$executeRaw`ALTER SYSTEM SET autovacuum = off`
    await server.stop()
    await server.start()
    system = await startSystem({ backend: "postgresql", database })
    await system.simulator.behave({ autoRegister: true })
    const earned = newNumber()
    const anna = await system.register()
    await anna.uploadAndWait(earned, 30)
    // Its commits would take those of the API to the disk.
    await system.workers[0]?.stop()

    const log = await followLog(url)
    const safe = await writeAndLook(system.apiUrl, anna, log)
    expect(await log.lostInACrash(safe.answered)).toEqual([])

    await client.$executeRaw`ALTER DATABASE gofermart SET synchronous_commit = off`
    const careless = await system.addApi()
    const risky = await writeAndLook(careless.details["url"] ?? "", anna, log)
    expect((await log.lostInACrash(risky.answered)).length).toBeGreaterThan(WRITES / 2)
    await client.$executeRaw`ALTER DATABASE gofermart RESET synchronous_commit`
    await log.end()

    const numbers = [earned, ...safe.numbers, ...risky.numbers]
    await system.addWorker()
    await expectAllSettledOnce(system, numbers, SETTLED_WITHIN_MS)
    await expectOwnAccruals(system, numbers)
    await database.expectNoneInTransaction()
  })
})

describe("commits that take longer than a batch may", () => {
  let system: System

  it("48: a standby that answers late delays uploads; each is answered 202, once", async () => {
    const database = await startOwnDatabase()
    system = await startSystem({ backend: "postgresql", database, workers: 0 })
    const customers = await Promise.all(Array.from({ length: 4 }, () => system.register()))
    const commits = await holdCommits(database.url)
    const uploads = Promise.all(customers.map((customer) => customer.upload(newNumber())))
    await untilWaiting(database.client, "record_orders", "commit")
    await sleep(COMMIT_DELAY_MS)
    await commits.release()
    expect(await uploads).toEqual(customers.map(() => 202))
  })
})

/** Registers, uploads and pays; after each answer it looks how far the log is on disk. */
async function writeAndLook(apiUrl: string, customer: Customer, log: Log) {
  const answered: Answered[] = []
  const numbers: string[] = []
  const send = async (write: string, path: string, body: string, row: Answered["row"]) => {
    const type = path.endsWith("orders") ? "text/plain" : "application/json"
    const { status } = await fetch(`${apiUrl}${path}`, {
      method: "POST",
      headers: { authorization: customer.authorization, "content-type": type },
      body,
    })
    const flushed = await log.flushed()
    expect([write, Math.floor(status / 100)]).toEqual([write, 2])
    answered.push({ write, row, flushed })
  }
  for (const number of newNumbers(WRITES / 2)) {
    const byNumber = { text: "SELECT xmin FROM orders WHERE number = $1", values: [number] }
    await send(`upload ${number}`, "/api/user/orders", number, byNumber)
    numbers.push(number)
  }
  for (const order of newNumbers(WRITES / 2 - 1)) {
    const text =
      "SELECT w.xmin FROM withdrawals w JOIN orders o ON o.id = w.order_id WHERE o.number = $1"
    const body = JSON.stringify({ order, sum: 0.01 })
    await send(`pay ${order}`, "/api/user/balance/withdraw", body, { text, values: [order] })
  }
  const login = newLogin()
  const body = JSON.stringify({ login, password: "a long password" })
  const byLogin = { text: "SELECT xmin FROM users WHERE login = $1", values: [login] }
  await send(`register ${login}`, "/api/user/register", body, byLogin)
  return { answered, numbers }
}

interface Log {
  flushed(): Promise<string>
  /** The writes whose commit was not on disk when they were answered. */
  lostInACrash(answered: Answered[]): Promise<string[]>
  end(): Promise<void>
}

/** Reads the server's log from now on. */
async function followLog(connectionString: string): Promise<Log> {
  const connection = new Client({ connectionString, application_name: "tests" })
  await connection.connect()
  await connection.query("CREATE PUBLICATION all_writes FOR ALL TABLES")
  await connection.query("SELECT pg_create_logical_replication_slot('tests', 'pgoutput')")
  return {
    async flushed() {
      const { rows } = await connection.query("SELECT pg_current_wal_flush_lsn()::text AS flushed")
      return (rows as { flushed: string }[])[0]?.flushed ?? ""
    },
    async lostInACrash(answered) {
      // Only what is on disk can be decoded; a commit of one's own takes everything there.
      await connection.query("SELECT pg_logical_emit_message(true, 'flush', '')")
      const lost: string[] = []
      const { rows: commits } = await connection.query(
        `SELECT xid::text, lsn::text AS end FROM pg_logical_slot_get_binary_changes(
           'tests', NULL, NULL, 'proto_version', '1', 'publication_names', 'all_writes')
          WHERE get_byte(data, 0) = ascii('C')`,
      )
      const endOf = new Map((commits as { xid: string; end: string }[]).map((c) => [c.xid, c.end]))
      for (const { write, row, flushed } of answered) {
        const { rows } = await connection.query(row.text, row.values)
        const end = endOf.get((rows as { xmin: string }[])[0]?.xmin ?? "")
        if (end === undefined) throw new Error(`the commit of ${write} is not in the log`)
        if (position(end) > position(flushed)) lost.push(write)
      }
      return lost
    },
    async end() {
      await connection.query("SELECT pg_drop_replication_slot('tests')")
      await connection.end()
    },
  }
}

/** A position in the log, of the form 16/B374D848, as a number. */
function position(lsn: string): bigint {
  const [high = "", low = ""] = lsn.split("/")
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`)
}
