import { execFile } from "node:child_process"
import { cp, mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { promisify } from "node:util"
import { builtPath } from "@gofermart/bundle/build.ts"
import { compileCacheEnv } from "@gofermart/local-stack/compile-cache.ts"
import { openDatabase } from "@gofermart/shared/db/client.ts"
import { migrate } from "@gofermart/shared/migrate/migrate.ts"
import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import { addPolls } from "@gofermart/shared/queue/poll-job.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { Client } from "pg"
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from "vitest"
import { holdTransaction, untilGone, untilWaiting } from "../harness/commits.ts"
import {
  createDatabase,
  createEmptyDatabase,
  type TestDatabase,
  testDatabase,
} from "../harness/database.ts"
import { makeWaiting, withoutLeaseCheck } from "../harness/dead-leases.ts"
import { eventually } from "../harness/eventually.ts"
import { createUser, processed, recordOne, settleMany } from "../harness/ledger.ts"
import { newNumber } from "../harness/numbers.ts"

const run = promisify(execFile)
const program = join(import.meta.dirname, "../..", builtPath("migrate"))
const firstMigration = new URL(
  "../../prisma/migrations/20261122000000_ledger/migration.sql",
  import.meta.url,
)
const PROCESSES = 3
const SILENT = createLogger("tests", "silent")
const NEXT = "29991231000000_next"

describe("migrating", () => {
  let empty: Awaited<ReturnType<typeof createEmptyDatabase>>
  beforeAll(async () => {
    empty = await createEmptyDatabase()
  })
  afterAll(() => empty.drop())

  const runMigrate = async () => {
    const { stdout } = await run(process.execPath, [program], {
      env: { PATH: process.env["PATH"], ...compileCacheEnv(), DATABASE_URL: empty.url },
    })
    // Before it, those that wait for their turn say so.
    const last = stdout.trim().split("\n").at(-1) ?? ""
    return (JSON.parse(last) as { applied: string[] }).applied
  }

  it("applies each migration once when several processes start on an empty database", async () => {
    const applied = (await Promise.all(Array.from({ length: PROCESSES }, runMigrate))).flat()
    expect(applied).toEqual([...new Set(applied)])
    expect(applied).toContain("20261122000000_ledger")
    expect(await runMigrate()).toEqual([])
  })

  it("leaves the table that `prisma migrate deploy` reads", async () => {
    const database = openDatabase(empty.url, "tests", {
      connectionsMax: 1,
      connectTimeoutMs: 5_000,
      statementTimeoutMs: 5_000,
    })
    const rows = await database.$queryRaw<{ migration_name: string; finished: boolean }[]>`
      SELECT migration_name, finished_at IS NOT NULL AS finished FROM _prisma_migrations`
    await database.$disconnect()
    expect(rows.length).toBeGreaterThan(0)
    expect(rows.every(({ finished }) => finished)).toBe(true)
  })

  it("lets a call of the functions as they were before, which it overtook, come through", async () => {
    const database = await createDatabase()
    const before = await readFile(firstMigration, "utf8")
    const [old = ""] = /CREATE FUNCTION record_orders[^]*?\n\$\$;/.exec(before) ?? []
    await database.client.$executeRawUnsafe(old.replace("record_orders", "record_orders_before"))
    const userId = await createUser(database.client)
    const number = newNumber()
    await database.client.$queryRaw`
      SELECT * FROM record_orders_before(ARRAY[${userId}]::bigint[], ARRAY[${number}], 1000)`
    const order = await database.client.order.findUniqueOrThrow({
      where: { number },
      include: { accrual: true },
    })
    expect(order.accrual).toMatchObject({ userId, status: "PROCESSING" })
    await database.drop()
  })
})

describe("two installations in one database", () => {
  it("have nothing in common, neither with each other nor with one in public", async () => {
    const database = await createDatabase()
    const opened = await Promise.all(
      ["loyalty", "Rewards_2"].map(async (schema) => {
        const own = `${database.url}?schema=${schema}`
        expect(await migrate(own)).toContain("20261122000000_ledger")
        expect(await migrate(own)).toEqual([])
        return { ...testDatabase(own, async () => {}), queue: await openAccrualQueue(own, SILENT) }
      }),
    )
    const number = newNumber()
    const [points, waiting] = [[], []] as [string[], number[]]
    for (const [i, { client: own, queue }] of opened.entries()) {
      const userId = await createUser(own)
      const orderId = await recordOne(own, userId, number)
      await settleMany(own, [{ orderId, answer: processed((i + 1) * 100) }])
      const { accrual } = await own.userBalance.findUniqueOrThrow({ where: { userId } })
      points.push(accrual.toFixed(2))
      if (i === 0) await addPolls(queue, [number])
      waiting.push(await queue.getWaitingCount())
    }
    expect(points).toEqual(["1.00", "2.00"])
    expect(waiting).toEqual([1, 0])
    expect(await Promise.all(opened.map(({ client: own }) => own.user.count()))).toEqual([1, 1])
    expect(await database.client.user.count()).toBe(0)
    for (const installation of opened) {
      await installation.queue.close()
      await installation.drop()
    }
    await database.drop()
  })

  it("are made once when another process makes the same one", async () => {
    const database = await createEmptyDatabase()
    const own = `${database.url}?schema=loyalty`
    const other = new Client({ connectionString: database.url })
    await other.connect()
    await other.query("BEGIN; CREATE SCHEMA loyalty")
    const migrated = migrate(own)
    await eventually("it waits for the other one", async () => {
      const { rowCount } = await other.query(
        "SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))",
      )
      return rowCount === 1
    })
    await other.query("COMMIT")
    expect(await migrated).toContain("20261122000000_ledger")
    const queue = await openAccrualQueue(own, SILENT)
    expect(await queue.getWaitingCount()).toBe(0)
    await queue.close()
    const { rows } = await other.query("SELECT nspname FROM pg_namespace WHERE nspname = 'bullmq'")
    expect(rows).toEqual([])
    await other.end()
    await database.drop()
  })
})

describe("migrating a database in use", () => {
  let test: TestDatabase
  beforeEach(async () => {
    test = await createDatabase()
  })

  /** The migrations there are, and one more. */
  const folderWith = async (script: string) => {
    const folder = await mkdtemp(join(inject("folder"), "migrations-"))
    await cp(new URL("../../prisma/migrations", import.meta.url), folder, { recursive: true })
    await mkdir(join(folder, NEXT))
    await writeFile(join(folder, NEXT, "migration.sql"), script)
    return folder
  }

  it("lets others use the table that it waits for, and says who holds that", async () => {
    const folder = await folderWith("ALTER TABLE users ADD COLUMN note text")
    const reader = await holdTransaction(test.url, "SELECT FROM users")
    const told: object[] = []
    const migrating = migrate(test.url, test.url, (_message, details) => void told.push(details), {
      folder,
    })
    await eventually("it says what it waits for", async () => told.length > 0)
    expect(told).toEqual([
      { heldBy: [expect.objectContaining({ application: "tests", waitsFor: "a lock on users" })] },
    ])
    // Behind a migration that waited for as long as it takes, this would, too.
    expect(await test.client.user.count()).toBe(0)
    await reader.end("COMMIT")
    expect(await migrating).toEqual([NEXT])
  })

  it("changes nothing when it never gets its lock, and is repeated", async () => {
    const folder = await folderWith("ALTER TABLE users ADD COLUMN note text")
    const reader = await holdTransaction(test.url, "SELECT FROM users")
    const migrating = migrate(test.url, test.url, () => {}, { folder, lockWaitMaxMs: 0 })
    await expect(migrating).rejects.toThrow(/lock timeout/)
    await reader.end("COMMIT")
    expect(await migrate(test.url, test.url, () => {}, { folder })).toEqual([NEXT])
  })

  it("has orders polled now whose lease was without an end, all of them", async () => {
    await makeWaiting(test.client, 1_100)
    await withoutLeaseCheck(
      test.client,
      () => test.client.$executeRaw`
        UPDATE accruals SET requeue_at =
          CASE WHEN order_id % 2 = 0 THEN 'infinity' ELSE '-infinity' END::timestamptz`,
    )
    const name = "20261129090100_leases_without_end"
    await test.client.$executeRaw`DELETE FROM _prisma_migrations WHERE migration_name = ${name}`
    expect(await migrate(test.url)).toEqual([name])
    const left = await test.client.$queryRaw`
      SELECT FROM accruals WHERE requeue_at NOT BETWEEN now() - interval '1 hour' AND now()`
    expect(left).toEqual([])
  })

  it("makes an index CONCURRENTLY, also where one broke off, by several processes at once", async () => {
    const folder = await folderWith(`
      -- Alone in its script.
      CREATE INDEX CONCURRENTLY "users_password_idx" ON users (password);`)
    await test.client.$executeRaw`CREATE INDEX users_password_idx ON users (password)`
    const isValid = async () => {
      const rows = await test.client.$queryRaw<{ indisvalid: boolean }[]>`
        SELECT indisvalid FROM pg_index WHERE indexrelid = 'users_password_idx'::regclass`
      return rows.map(({ indisvalid }) => indisvalid)
    }
    await test.client.$executeRaw`
      UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'users_password_idx'::regclass`
    expect(await isValid()).toEqual([false])
    const runs = Array.from({ length: PROCESSES }, () =>
      migrate(test.url, test.url, () => {}, { folder }),
    )
    expect((await Promise.all(runs)).flat()).toEqual([NEXT])
    expect(await isValid()).toEqual([true])
  })

  it("takes what is done and was never marked as finished for done", async () => {
    const dropped = "20261129070100_requeue_index_before"
    await test.client.$executeRaw`DELETE FROM _prisma_migrations WHERE migration_name = ${dropped}`
    expect(await migrate(test.url)).toEqual([dropped])

    // The engine marks it when the script has ended: too late for one that is killed between them.
    const folder = await folderWith("ALTER TABLE users ADD COLUMN note text")
    await test.client.$executeRaw`
      CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''killed''; END'`
    await test.client.$executeRaw`
      CREATE TRIGGER fail BEFORE UPDATE OF applied_steps_count ON _prisma_migrations
      EXECUTE FUNCTION fail()`
    await expect(migrate(test.url, test.url, () => {}, { folder })).rejects.toThrow(/killed/)
    await test.client.$executeRaw`DROP TRIGGER fail ON _prisma_migrations`
    expect(await migrate(test.url, test.url, () => {}, { folder })).toEqual([])
    expect(await test.client.$queryRaw`SELECT note FROM users`).toEqual([])
  })

  it("goes on where one was stopped that waited for its lock", async () => {
    const folder = await folderWith("ALTER TABLE users ADD COLUMN note text")
    const reader = await holdTransaction(test.url, "SELECT FROM users")
    const stopping = new AbortController()
    const options = { folder, signal: stopping.signal }
    const stopped = migrate(test.url, test.url, () => stopping.abort(), options)
    // While it waits for the lock, or before it tries again.
    await expect(stopped).rejects.toThrow(/terminating connection|aborted/)
    await reader.end("COMMIT")
    expect(await migrate(test.url, test.url, () => {}, { folder })).toEqual([NEXT])
  })

  describe("that makes an index CONCURRENTLY, beside a reader", () => {
    const INDEX = "20261129070000_requeue_by_order"
    const STATEMENT = "CREATE INDEX CONCURRENTLY accruals_requeue_at_order_id_idx"
    let reader: Awaited<ReturnType<typeof holdTransaction>>
    beforeEach(async () => {
      await test.client.$executeRaw`DROP INDEX accruals_requeue_at_order_id_idx`
      await test.client.$executeRaw`DELETE FROM _prisma_migrations WHERE migration_name = ${INDEX}`
      // One that is not at its end yet.
      reader = await holdTransaction(test.url, "DECLARE reading CURSOR FOR SELECT FROM accruals")
    })

    const startRunner = () =>
      run(process.execPath, [program], {
        env: { PATH: process.env["PATH"], ...compileCacheEnv(), DATABASE_URL: test.url },
      })
    const waiting = () => untilWaiting(test.client, STATEMENT, "lock")
    const isValid = async () => {
      const rows = await test.client.$queryRaw<{ isValid: boolean }[]>`
        SELECT indisvalid AS "isValid" FROM pg_index
         WHERE indexrelid = to_regclass('accruals_requeue_at_order_id_idx')`
      return rows.map((row) => row.isValid)
    }

    it("goes on behind the statement of one that was killed, which ends by itself", async () => {
      const runner = startRunner()
      const [pid] = await waiting()
      runner.child.kill("SIGKILL")
      await expect(runner).rejects.toMatchObject({ signal: "SIGKILL" })
      const told: object[] = []
      const again = migrate(test.url, test.url, (_message, details) => void told.push(details))
      await eventually("it says what it waits for", async () => told.length > 0)
      expect(told).toEqual([{ heldBy: [expect.objectContaining({ pid, state: "active" })] }])
      await reader.end("COMMIT")
      expect(await again).toEqual([INDEX])
      expect(await isValid()).toEqual([true])
    })

    it.each([
      { how: "SIGINT", exit: { code: 130, stdout: expect.stringContaining("migrate again") } },
      { how: "SIGTERM", exit: { code: 143, stdout: expect.stringContaining("migrate again") } },
      { how: "pg_cancel_backend", exit: { code: 1 } },
      { how: "pg_terminate_backend", exit: { code: 1 } },
    ])("begins anew where $how ended one", async ({ how, exit }) => {
      const runner = startRunner()
      const [pid] = await waiting()
      if (how.startsWith("SIG")) runner.child.kill(how as NodeJS.Signals)
      else await test.client.$queryRawUnsafe(`SELECT ${how}(${pid})`)
      await expect(runner).rejects.toMatchObject(exit)
      await untilGone(test.client, STATEMENT)
      expect(await isValid()).toEqual([false])
      await reader.end("COMMIT")
      expect(await migrate(test.url)).toEqual([INDEX])
      expect(await isValid()).toEqual([true])
    })

    it("waits for longer than clients' statements may", async () => {
      const limitMs = 500
      const name = new URL(test.url).pathname.slice(1)
      await test.client.$executeRawUnsafe(
        `ALTER DATABASE ${name} SET statement_timeout = ${limitMs}`,
      )
      const migrating = migrate(test.url)
      await Promise.race([waiting().then(() => sleep(2 * limitMs)), migrating])
      await reader.end("COMMIT")
      expect(await migrating).toEqual([INDEX])
      expect(await isValid()).toEqual([true])
    })
  })
})
