import { findProgram } from "@gofermart/local-stack/find-program.ts"
import { connectionOptions, openDatabase } from "@gofermart/shared/db/client.ts"
import { SERVICE_TIMEOUTS } from "@gofermart/shared/db/service-timeouts.ts"
import { withLimit } from "@gofermart/shared/db/time-limit.ts"
import { waitForDatabase } from "@gofermart/shared/db/wait-for-database.ts"
import { withClient } from "@gofermart/shared/db/with-client.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { describe, expect, it } from "vitest"
import { atEndOrBefore } from "../harness/at-end.ts"
import { expectSettling, expectSound } from "../faults/after-a-fault.ts"
import { Traffic } from "../faults/traffic.ts"
import { describeOnBackends, describeOnRedis } from "../harness/backends.ts"
import { createDatabase, type TestDatabase } from "../harness/database.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { PGBOUNCER } from "../harness/missing-programs.ts"
import { newNumber, newNumbers } from "../harness/numbers.ts"
import { type PgBouncer, startPgBouncer } from "../harness/pgbouncer.ts"
import { urlOfRole } from "../harness/session-settings.ts"
import { startSystem } from "../harness/system.ts"
import { operate, runSplit } from "../operator/run.ts"

/** Requeue's longest lease in these tests is 5 s, the backoff starts at 1 s; and 30 s. */
const SETTLED_WITHIN_MS = 36_000
const SETTLING_AGAIN_WITHIN_MS = 15_000
const LOAD_REST_MS = 20
const RESTARTS = 3
const silent = createLogger("tests", "silent")
const NONE_WRITTEN = { tables: [], functions: [] }

const path = await findProgram(PGBOUNCER)
const missing = path === undefined ? " (no pgbouncer on the PATH; apt-get install pgbouncer)" : ""

async function openPooler(
  { url }: Pick<TestDatabase, "url">,
  mode: "session" | "transaction",
): Promise<PgBouncer> {
  const pooler = await startPgBouncer(path ?? "", url, mode)
  atEndOrBefore(() => pooler.close())
  return pooler
}

describe.skipIf(path === undefined)(`PgBouncer${missing}`, () => {
  describeOnBackends("in session mode", (backend) => {
    it("refuses nothing that services and commands send", async () => {
      const database = await createDatabase()
      const pooler = await openPooler(database, "session")
      const url = pooler.through(database.url)
      const system = await startSystem({
        backend,
        database: { ...database, url },
      })
      await system.simulator.behave({ autoRegister: true })
      const anna = await system.register()
      const numbers = newNumbers(50)
      await Promise.all(numbers.map((number) => anna.upload(number)))
      await expectAllSettledOnce(system, numbers, SETTLED_WITHIN_MS)
      await anna.withdraw(newNumber(), 0.01)
      expect(await operate(system, "verify")).toMatchObject({ code: 0 })
      await system.close()
    })
  })

  it("in session mode: a connection has the limits and the schema that its URL asks for", async () => {
    const database = await createDatabase()
    const pooler = await openPooler(database, "session")
    await database.client.$executeRaw`CREATE SCHEMA loyalty`
    const config = connectionOptions(
      `${pooler.through(database.url)}&schema=loyalty`,
      "tests",
      SERVICE_TIMEOUTS,
    )
    const { rows } = await withClient(config, (client) =>
      client.query(
        "SELECT current_schema() AS schema, current_setting('statement_timeout') AS statement, current_setting('idle_in_transaction_session_timeout') AS idle",
      ),
    )
    expect(rows).toEqual([{ schema: "loyalty", statement: "10s", idle: "10s" }])
  })

  it.each(["session", "transaction"] as const)(
    "in %s mode: a URL that says nothing of it is refused",
    async (mode) => {
      const database = await createDatabase()
      const pooler = await openPooler(database, mode)
      const url = new URL(pooler.through(database.url))
      url.searchParams.delete("pooler")
      await expect(waitForDatabase(url.href, NONE_WRITTEN, silent)).rejects.toThrow(
        /a pooler refuses a startup parameter: say which mode it is in, with pooler=session or pooler=transaction/,
      )
    },
  )

  it("in transaction mode: a role without the limits that `grants` prints is refused", async () => {
    const database = await createDatabase()
    const role = await urlOfRole(database, {})
    const pooler = await openPooler(role, "transaction")
    const url = pooler.through(role.url)
    const { username } = new URL(role.url)
    await expect(waitForDatabase(url, NONE_WRITTEN, silent)).rejects.toThrow(
      /its role's statement_timeout is 0 ms, and must be from 1 to 10000 ms: execute what `gofermart grants` prints/,
    )
    const env = { DATABASE_URL: url, QUEUE_URL: "redis://queue.test" }
    const { printed } = await runSplit(env, ["grants", username])
    const settings = printed.split("\n").filter((line) => line.startsWith("ALTER ROLE"))
    expect(settings).toHaveLength(3)
    for (const statement of settings) await database.client.$executeRawUnsafe(statement)
    await pooler.restart()
    await waitForDatabase(url, NONE_WRITTEN, silent)
    await role.drop()
  })

  it("in transaction mode: what one call limits, no other session has", async () => {
    const database = await createDatabase()
    const role = await urlOfRole(database, { statement_timeout: "9s" })
    const pooler = await openPooler(role, "transaction")
    const client = openDatabase(pooler.through(role.url), "tests", {
      connectionsMax: 5,
      ...SERVICE_TIMEOUTS,
    })
    const ask = () =>
      client.$queryRaw<[{ limit: string }]>`SELECT current_setting('statement_timeout') AS limit`
    for (let i = 0; i < 20; i++) {
      const [[limited], [unlimited]] = await Promise.all([
        withLimit({ statementMs: 1_234, isLong: false }, async () => await ask()),
        ask(),
      ])
      expect([limited.limit, unlimited.limit]).toEqual(["1234ms", "9s"])
    }
    await client.$disconnect()
    await role.drop()
  })

  describeOnRedis("in transaction mode, restarted under load", () => {
    it("59: loses nothing that was acknowledged, and orders settle again", async () => {
      const database = await createDatabase()
      const role = await urlOfRole(database, {
        statement_timeout: "10s",
        idle_in_transaction_session_timeout: "10s",
      })
      const pooler = await openPooler(role, "transaction")
      const system = await startSystem({
        backend: "redis",
        workers: 2,
        database: { ...database, url: pooler.through(role.url) },
      })
      await system.simulator.behave({ autoRegister: true })
      const customers = await Promise.all(Array.from({ length: 4 }, () => system.register()))
      const traffic = Traffic.begin(customers, LOAD_REST_MS)
      await expectSettling(system, SETTLED_WITHIN_MS)
      for (let i = 0; i < RESTARTS; i++) {
        await pooler.restart()
        await expectSettling(system, SETTLING_AGAIN_WITHIN_MS)
      }
      await traffic.stop()
      await expectSound(system, traffic, SETTLED_WITHIN_MS)
      await role.drop()
      await system.close()
    })
  })
})
